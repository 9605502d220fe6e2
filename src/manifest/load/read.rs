//! Reads a manifest and parses it into nodes.

use std::path::Path;
use std::string::FromUtf8Error;

use super::loader::Loader;
use crate::diagnostic::{Diagnostic, Place};
use crate::disk::limits;
use crate::disk::read::{Links, Refusal, Root, fits, size_words};
use crate::manifest::syntax::{self, Node, PART_LIMIT};
use crate::spec::WorkspacePath;

/// A byte order mark, which some editors write at the start of a file.
const MARK: char = '\u{feff}';

impl Loader<'_> {
    /// The nodes of a file; `None` if it cannot be read.
    pub(super) fn nodes(
        &mut self,
        path: &WorkspacePath,
        included: Option<&Place>,
    ) -> Option<Vec<Node>> {
        if self.parts > PART_LIMIT {
            // That was reported for an earlier file.
            return None;
        }
        let bytes = match self.bytes(path) {
            Ok(bytes) => bytes,
            Err(refusal) => {
                self.refused(path, included, &refusal);
                return None;
            }
        };
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                self.not_utf8(path, &error);
                return None;
            }
        };
        let text = text.strip_prefix(MARK).map(str::to_owned).unwrap_or(text);
        let source = self.notes.sources.add(path.as_str(), text);
        let text = &self.notes.sources.get(source).text;
        let (nodes, mistakes) = syntax::parse_next(text, source, &mut self.parts);
        self.notes.incomplete |= !mistakes.is_empty();
        for mistake in mistakes {
            self.notes.tell(mistake);
        }
        Some(nodes)
    }

    fn not_utf8(&mut self, path: &WorkspacePath, error: &FromUtf8Error) {
        let text = String::from_utf8_lossy(error.as_bytes());
        let text = text.strip_prefix(MARK).unwrap_or(&text);
        let source = self.notes.sources.add(path.as_str(), text);
        let at = error.utf8_error().valid_up_to();
        let place = Place::new(source, at..at + '\u{fffd}'.len_utf8());
        self.notes.tell(not_utf8(path, error.as_bytes(), place));
    }

    fn bytes(&self, path: &WorkspacePath) -> Result<Vec<u8>, Refusal> {
        let instead = self
            .instead
            .and_then(|instead| instead.get(&path.under(&self.root)));
        if let Some(text) = instead {
            fits(text.len() as u64, limits::MANIFEST)?;
            return Ok(text.as_bytes().to_vec());
        }
        let root = Root::open(&self.root)?;
        root.bytes(Path::new(path.as_str()), Links::Follow, limits::MANIFEST)
    }

    fn refused(&mut self, path: &WorkspacePath, included: Option<&Place>, refusal: &Refusal) {
        if let Refusal::TooLarge(limit) = refusal {
            let source = self.notes.sources.add(path.as_str(), "");
            let message = format!("`{path}` is larger than {}", size_words(*limit));
            self.notes.tell(
                Diagnostic::error("too-large", message)
                    .at(Place::new(source, 0..0), "")
                    .help("split it: `workspace { include \"…\" }`"),
            );
            return;
        }
        let why = match refusal {
            refusal if refusal.is_absent() => "there is no such file".to_owned(),
            refusal => refusal.to_string(),
        };
        let mistake = unreadable(path.as_str(), &why);
        self.notes.tell(match included {
            Some(place) => mistake.at(*place, "included here"),
            None => mistake.help("name another with `-f`, or create one with `imgspec init`"),
        });
    }
}

pub(super) fn unreadable(path: &str, why: &str) -> Diagnostic {
    Diagnostic::error("unreadable", format!("`{path}` cannot be read: {why}"))
}

fn not_utf8(path: &WorkspacePath, bytes: &[u8], place: Place) -> Diagnostic {
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    Diagnostic::error("not-utf-8", format!("`{path}` is not UTF-8"))
        .at(place, "these bytes are not a character")
        .help(if utf16 {
            "it seems to be UTF-16: save it as UTF-8"
        } else {
            "save it as UTF-8"
        })
}
