//! A manifest on disk: read once, then replaced as a whole provided that it has not changed since.
//!
//! If the manifest is a link within the workspace, the link stays and its target is replaced; a link that leaves the workspace
//! is an error. All access is relative to open directories, so that a link created in the meantime cannot redirect it.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::disk::dir::{Dir, DirError, Rooted, Terms};
use crate::disk::read::Root;
use crate::disk::{limits, system_words};
use crate::session::Refusal;

/// The byte order mark that some editors write before a text; not part of the text itself.
const BOM: &str = "\u{feff}";

/// The location of a manifest.
#[derive(Debug, Clone)]
pub struct ManifestPath {
    /// The directory that the manifest must not be outside of.
    pub root: PathBuf,
    /// Path relative to `root`.
    pub path: PathBuf,
    /// Name for messages.
    pub shown: String,
}

pub(super) struct File {
    /// The directory that actually contains the file; `name` is the file's name in it.
    dir: Dir,
    name: String,
    /// Name for messages.
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

    /// Atomically replaces the text, preserving mode and owner. Returns `false`, without writing, if somebody else has changed
    /// the file since it was read.
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
                "it is unchanged; check that the file and its directory are writable",
            )
        })
    }
}
