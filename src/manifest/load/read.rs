//! Reads a manifest and parses it into nodes.

use std::path::Path;

use super::loader::Loader;
use crate::diagnostic::{Diagnostic, Place};
use crate::disk::limits;
use crate::disk::read::{Links, Refusal, Root, fits, size_words};
use crate::manifest::syntax::{self, Node};
use crate::spec::WorkspacePath;

impl Loader<'_> {
    /// The nodes of a file; `None` if it cannot be read.
    pub(super) fn nodes(
        &mut self,
        path: &WorkspacePath,
        included: Option<&Place>,
    ) -> Option<Vec<Node>> {
        let bytes = match self.bytes(path) {
            Ok(bytes) => bytes,
            Err(refusal) => {
                self.refused(path, included, &refusal);
                return None;
            }
        };
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let source = self.notes.sources.add(path.as_str(), text);
        if let Err(error) = std::str::from_utf8(&bytes) {
            let at = error.valid_up_to();
            self.notes.tell(not_utf8(
                path,
                &bytes,
                Place::new(source, at..at + '\u{fffd}'.len_utf8()),
            ));
            return None;
        }
        let (nodes, mistakes) = syntax::parse(text, source);
        self.notes.incomplete |= !mistakes.is_empty();
        for mistake in mistakes {
            self.notes.tell(mistake);
        }
        Some(nodes)
    }

    fn bytes(&self, path: &WorkspacePath) -> Result<Vec<u8>, Refusal> {
        if let Some((_, text)) = self.instead.filter(|(it, _)| *it == path.as_str()) {
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
