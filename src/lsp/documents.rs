//! The documents that the client has open: their texts count instead of those on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gen_lsp_types::{TextDocumentContentChangeEvent, TextDocumentItem, Uri};
use url::Url;

use super::positions::{self, Encoding};
use crate::manifest::Instead;

/// A byte order mark, which is no part of a text.
const MARK: char = '\u{feff}';

pub(super) struct Document {
    /// As the client spells it.
    pub(super) uri: Uri,
    pub(super) version: i32,
    pub(super) text: String,
    /// Its path without links; `None` if it is not a file.
    pub(super) path: Option<PathBuf>,
}

/// The open documents, by URI.
#[derive(Default)]
pub(super) struct Documents(BTreeMap<String, Document>);

impl Documents {
    pub(super) fn open(&mut self, item: TextDocumentItem) {
        let document = Document {
            path: path_of(&item.uri),
            version: item.version,
            text: without_mark(item.text),
            uri: item.uri,
        };
        self.0.insert(document.uri.0.clone(), document);
    }

    pub(super) fn close(&mut self, uri: &Uri) {
        self.0.remove(&uri.0);
    }

    /// Applies changes in order. Those of a document that is not open are ignored.
    pub(super) fn change(
        &mut self,
        uri: &Uri,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
        encoding: Encoding,
    ) {
        let Some(document) = self.0.get_mut(&uri.0) else {
            return;
        };
        document.version = version;
        for change in changes {
            match change {
                TextDocumentContentChangeEvent::TextDocumentContentChangePartial(change) => {
                    let span = positions::span(&document.text, change.range, encoding);
                    document.text.replace_range(span, &change.text);
                }
                TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(change) => {
                    document.text = without_mark(change.text);
                }
            }
        }
    }

    pub(super) fn get(&self, uri: &Uri) -> Option<&Document> {
        self.0.get(&uri.0)
    }

    /// The open document of a file.
    pub(super) fn of(&self, path: &Path) -> Option<&Document> {
        let mut all = self.0.values();
        all.find(|document| document.path.as_deref() == Some(path))
    }

    /// The texts of those that are files.
    pub(super) fn texts(&self) -> Instead {
        let files = self.0.values();
        let files = files.filter_map(|it| Some((it.path.clone()?, it.text.clone())));
        files.collect()
    }

    /// The versions of those that are files.
    pub(super) fn versions(&self) -> BTreeMap<PathBuf, i32> {
        let files = self.0.values();
        let files = files.filter_map(|it| Some((it.path.clone()?, it.version)));
        files.collect()
    }
}

fn without_mark(text: String) -> String {
    match text.strip_prefix(MARK) {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// The path of a file without links, which need not exist yet; `None` for what is not a file of this machine.
pub(super) fn path_of(uri: &Uri) -> Option<PathBuf> {
    let path = Url::parse(&uri.0).ok()?;
    let path = (path.scheme() == "file").then(|| path.to_file_path().ok())??;
    path.canonicalize().ok().or_else(|| {
        let folder = path.parent()?.canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    })
}

/// The URI of a path.
pub(super) fn uri_of(path: &Path) -> Option<Uri> {
    let uri = Url::from_file_path(path).ok()?;
    Some(Uri(uri.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(uri: &str, text: &str) -> TextDocumentItem {
        let item = serde_json::json!({"uri": uri, "languageId": "kdl", "version": 1, "text": text});
        serde_json::from_value(item).unwrap()
    }

    fn changes(changes: serde_json::Value) -> Vec<TextDocumentContentChangeEvent> {
        serde_json::from_value(changes).unwrap()
    }

    #[test]
    fn changes_apply_one_after_the_other() {
        let mut documents = Documents::default();
        let uri = Uri("untitled:a".to_owned());
        documents.open(item(&uri.0, "\u{feff}one\ntwo\n"));
        let range = |from: [u32; 2], to: [u32; 2]| {
            let at = |[line, character]: [u32; 2]| serde_json::json!({"line": line, "character": character});
            serde_json::json!({"start": at(from), "end": at(to)})
        };
        let edits = changes(serde_json::json!([
            {"range": range([0, 0], [0, 3]), "text": "\u{1f980}é"},
            {"range": range([0, 2], [1, 1]), "text": "-"},
            {"range": range([7, 0], [9, 9]), "text": "end"},
        ]));
        documents.change(&uri, 2, edits, Encoding::Utf16);
        let document = documents.get(&uri).unwrap();
        assert_eq!(document.text, "\u{1f980}-wo\nend");
        assert_eq!((document.version, &document.path), (2, &None));
        let whole = changes(serde_json::json!([{"text": "new"}]));
        documents.change(&uri, 3, whole, Encoding::Utf8);
        assert_eq!(documents.get(&uri).unwrap().text, "new");
        documents.close(&uri);
        documents.change(
            &uri,
            4,
            changes(serde_json::json!([{"text": ""}])),
            Encoding::Utf8,
        );
        assert!(documents.get(&uri).is_none());
    }

    #[test]
    fn files_are_known_by_their_path_without_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("a b")).unwrap();
        std::os::unix::fs::symlink("a b", root.join("link")).unwrap();
        let file = root.join("a b/imgspec.kdl");
        let uri = uri_of(&root.join("link/imgspec.kdl")).unwrap();
        assert_eq!(path_of(&uri), Some(file.clone()));
        std::fs::write(&file, "").unwrap();
        assert_eq!(path_of(&uri), Some(file.clone()));
        assert!(uri_of(&file).unwrap().0.ends_with("/a%20b/imgspec.kdl"));
        for other in [
            "untitled:x",
            "http://x/y",
            "file://host/x",
            "",
            "/x",
            "file:///nowhere/at/all",
        ] {
            assert_eq!(path_of(&Uri(other.to_owned())), None, "{other}");
        }
    }
}
