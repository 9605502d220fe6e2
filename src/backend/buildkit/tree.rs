//! The files that a build may read: entries of its file sets, in place, and generated texts, as one tree.
//!
//! Nothing is copied before it is sent. An entry's size and time are derived from its hash, so the daemon requests only
//! contents that it does not have, and each is hashed again on its way: the daemon never receives bytes other than
//! those that went into the key.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bollard_buildkit_proto::fsutil::types::Stat;
use parking_lot::Mutex;

use crate::backend::context::{self, NotSent};
use crate::fingerprint::{EntryKind, Files};

/// The mode of a directory in Go's `io/fs`.
const GO_FOLDER: u32 = 1 << 31;

/// The mode of a link in Go's `io/fs`, with all permissions set.
const GO_LINK: u32 = 1 << 27 | 0o777;

/// The files that a build may read from one local source.
#[derive(Default)]
pub(super) struct Tree {
    /// Keyed by path with `/` replaced by NUL, which sorts in the protocol's order, by component.
    items: BTreeMap<String, Item>,
    moved: Mutex<Option<String>>,
}

/// An entry of a tree: its metadata, and where its content comes from.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) stat: Stat,
    content: Content,
}

#[derive(Clone)]
enum Content {
    /// Directories and links have no content.
    None,
    Text(String),
    Entry {
        files: Arc<Files>,
        at: usize,
    },
}

impl Tree {
    pub(super) fn text(&mut self, path: &str, text: &str) {
        let digest = blake3::hash(text.as_bytes());
        let stat = file(text.len() as u64, false, digest.as_bytes());
        self.add(path, stat, Content::Text(text.to_owned()));
    }

    pub(super) fn root(&mut self, files: &Arc<Files>) {
        self.below("", files, None);
    }

    /// Adds a file set as a directory; `stand_in` is the name of the file in a set of one file.
    pub(super) fn set(&mut self, folder: &str, files: &Arc<Files>, stand_in: Option<&str>) {
        self.add(folder, directory(), Content::None);
        self.below(&format!("{folder}/"), files, stand_in);
    }

    fn below(&mut self, folder: &str, files: &Arc<Files>, stand_in: Option<&str>) {
        for within in context::folders(files) {
            self.add(&format!("{folder}{within}"), directory(), Content::None);
        }
        for (at, entry) in files.entries.iter().enumerate() {
            let path = format!("{folder}{}", stand_in.unwrap_or(&entry.path));
            match &entry.kind {
                EntryKind::Folder => {}
                EntryKind::Link { target } => {
                    let stat = Stat {
                        mode: GO_LINK,
                        linkname: target.clone(),
                        mod_time: first_day(),
                        ..Stat::default()
                    };
                    self.add(&path, stat, Content::None);
                }
                EntryKind::File {
                    executable,
                    size,
                    digest,
                } => {
                    let content = Content::Entry {
                        files: Arc::clone(files),
                        at,
                    };
                    self.add(&path, file(*size, *executable, digest), content);
                }
            }
        }
    }

    fn add(&mut self, path: &str, stat: Stat, content: Content) {
        let stat = Stat {
            path: path.to_owned(),
            ..stat
        };
        let item = Item { stat, content };
        self.items.insert(path.replace('/', "\0"), item);
    }

    /// The entries above, at or below the requested paths (all if there are none), in the order of the protocol.
    pub(super) fn items(&self, follow: &[String]) -> Vec<Item> {
        let items = self.items.values();
        items
            .filter(|item| is_followed(&item.stat.path, follow))
            .cloned()
            .collect()
    }

    /// Passes a file's content on in pieces, verifying that it matches what was hashed.
    pub(super) fn read(
        &self,
        item: &Item,
        give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        match &item.content {
            Content::None => Ok(()),
            Content::Text(text) => give(text.as_bytes()),
            Content::Entry { files, at } => {
                let entry = &files.entries[*at];
                context::send(files, entry, give).map_err(|not_sent| match not_sent {
                    NotSent::Moved => {
                        let path = context::place(files, entry);
                        let why = format!("`{path}` changed while it was being sent");
                        *self.moved.lock() = Some(path);
                        io::Error::other(why)
                    }
                    NotSent::Untaken(error) => error,
                })
            }
        }
    }

    pub(super) fn moved(&self) -> Option<String> {
        self.moved.lock().clone()
    }
}

fn directory() -> Stat {
    Stat {
        mode: GO_FOLDER | 0o755,
        mod_time: first_day(),
        ..Stat::default()
    }
}

fn file(size: u64, executable: bool, digest: &[u8; 32]) -> Stat {
    Stat {
        mode: if executable { 0o755 } else { 0o644 },
        size: i64::try_from(size).unwrap_or(i64::MAX),
        mod_time: nanoseconds(context::time_of(digest)),
        ..Stat::default()
    }
}

fn first_day() -> i64 {
    nanoseconds(context::first_day())
}

fn nanoseconds(time: std::time::SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Whether a path is above, at or below a requested one. For patterns everything is sent: more than requested does no
/// harm.
fn is_followed(path: &str, follow: &[String]) -> bool {
    let is_within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    follow.is_empty()
        || follow.iter().any(|asked| {
            let asked = asked.trim_matches('/');
            asked.is_empty()
                || asked == "."
                || asked.contains(['*', '?', '[', '\\'])
                || is_within(path, asked)
                || is_within(asked, path)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Entry;

    fn entry(path: &str, kind: EntryKind) -> Entry {
        Entry {
            path: path.into(),
            kind,
        }
    }

    fn of(text: &str) -> EntryKind {
        EntryKind::File {
            executable: false,
            size: text.len() as u64,
            digest: *blake3::hash(text.as_bytes()).as_bytes(),
        }
    }

    #[test]
    fn entries_come_in_the_order_of_their_parts() {
        let link = EntryKind::Link {
            target: "../x".into(),
        };
        let mut files = Files::default();
        files.entries = vec![
            entry("a-b", of("12345")),
            entry("a.c/d/e", of("1")),
            entry("a/b", of("1")),
            entry("a/link", link),
        ];
        let mut tree = Tree::default();
        tree.set("0", &Arc::new(files), None);
        let items = tree.items(&[]);
        let paths: Vec<&str> = items.iter().map(|item| item.stat.path.as_str()).collect();
        let ordered = [
            "0",
            "0/a",
            "0/a/b",
            "0/a/link",
            "0/a-b",
            "0/a.c",
            "0/a.c/d",
            "0/a.c/d/e",
        ];
        assert_eq!(paths, ordered);
        assert_eq!(items[1].stat.mode, GO_FOLDER | 0o755);
        assert_eq!((items[4].stat.mode, items[4].stat.size), (0o644, 5));
        assert_eq!(
            (items[3].stat.mode, items[3].stat.linkname.as_str()),
            (GO_LINK, "../x")
        );
    }

    #[test]
    fn a_file_that_is_no_longer_what_was_hashed_is_not_sent_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "later").unwrap();
        let mut files = Files::default();
        files.folder = folder.path().to_owned();
        files.place = "src".into();
        files.entries = vec![entry("a", of("first"))];
        let mut tree = Tree::default();
        tree.set("0", &Arc::new(files), None);
        let items = tree.items(&["0/a".to_owned()]);
        assert_eq!(items.len(), 2);
        let read = tree.read(&items[1], &mut |_| Ok(()));
        assert!(read.is_err());
        assert_eq!(tree.moved().as_deref(), Some("src/a"));
    }

    #[test]
    fn only_what_is_asked_for_is_sent() {
        let asked = |paths: &[&str]| -> Vec<String> {
            paths.iter().map(|path| (*path).to_owned()).collect()
        };
        assert!(is_followed("any", &[]));
        assert!(!is_followed("context", &asked(&["Dockerfile"])));
        assert!(is_followed("Dockerfile", &asked(&["Dockerfile"])));
        assert!(!is_followed("Dockerfile.old", &asked(&["Dockerfile"])));
        assert!(is_followed("0", &asked(&["/0/a"])));
        assert!(is_followed("0/a/b", &asked(&["/0/a"])));
        assert!(is_followed("0", &asked(&["."])));
        assert!(is_followed("0", &asked(&["1*"])));
    }
}
