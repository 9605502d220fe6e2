//! A manifest on the disk: read once, and replaced whole if it is still what was read.
//!
//! A link within the workspace stays, and what it leads to is replaced; one that leads out of it is refused. All goes by
//! handles, so that no link that is put in meanwhile leads elsewhere.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::disk::dir::{Dir, DirError, Rooted, Terms};
use crate::disk::read::Root;
use crate::disk::{limits, system_words};
use crate::session::Refusal;

/// The mark that some editors put before a text; it is none of it.
const BOM: &str = "\u{feff}";

/// Where a manifest is.
#[derive(Debug, Clone)]
pub struct ManifestPath {
    /// The directory that it must not lead out of.
    pub root: PathBuf,
    /// Its path in there.
    pub path: PathBuf,
    /// What it is called in words.
    pub shown: String,
}

pub(super) struct File {
    /// The directory that it is really in, and what it is called there.
    dir: Dir,
    name: String,
    /// What it is called in words.
    shown: String,
    whole: String,
}

impl File {
    pub(super) fn read(at: &ManifestPath) -> Result<Self, Refusal> {
        let ManifestPath { root, path, shown } = at;
        let unreadable = |why: &dyn Display| Refusal::Other {
            message: format!("`{shown}` cannot be read: {why}"),
            help: None,
        };
        let real = Root::open(root).and_then(|root| root.real(path));
        let real = real.map_err(|why| unreadable(&why))?;
        let below = real.parent().unwrap_or(Path::new(""));
        let name = real.file_name().and_then(|name| name.to_str());
        let dir = Rooted::new(root, below, Terms::default()).open();
        let (Ok(Some(dir)), Some(name)) = (dir, name) else {
            return Err(unreadable(&"its directory is gone"));
        };
        let bytes = dir.read(name, limits::MANIFEST);
        let bytes = bytes.map_err(|error| {
            let why = DirError::of(&error).map(DirError::reason);
            unreadable(&why.unwrap_or_else(|| system_words(&error)))
        })?;
        let bytes = bytes.ok_or_else(|| unreadable(&"it is gone"))?;
        let whole = String::from_utf8(bytes).map_err(|_| unreadable(&"it is not UTF-8"))?;
        Ok(Self {
            name: name.to_owned(),
            dir,
            shown: shown.clone(),
            whole,
        })
    }

    pub(super) fn text(&self) -> &str {
        self.whole.strip_prefix(BOM).unwrap_or(&self.whole)
    }

    /// Puts another text in its place, at once or not at all; mode and owner stay. Says whether it was still what was read:
    /// if not, it is left to who changed it.
    pub(super) fn replace(&self, text: &str) -> Result<bool, Refusal> {
        let mark = if self.whole.starts_with(BOM) { BOM } else { "" };
        let new = format!("{mark}{text}");
        let old = self.whole.as_bytes();
        let exchanged = self.dir.exchange(&self.name, old, new.as_bytes());
        exchanged.map_err(|error| {
            let why = DirError::of(&error).map(DirError::reason);
            let why = why.unwrap_or_else(|| system_words(&error));
            Refusal::usage(
                format!("`{}` cannot be written: {why}", self.shown),
                "it is as it was; are it and its directory writable?",
            )
        })
    }
}
