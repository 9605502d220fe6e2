//! The entries of a file set before any content is read.

use std::path::PathBuf;

use super::mark::Mark;

/// A file set without content.
pub(super) struct Found {
    /// The directory that the items' paths are relative to, absolute.
    pub(super) folder: PathBuf,
    /// Whether the set is one file.
    pub(super) single: bool,
    /// What is in it, sorted by path.
    pub(super) items: Vec<Item>,
}

/// One thing in a file set.
#[derive(Clone)]
pub(super) struct Item {
    /// Path within the set.
    pub(super) path: String,
    /// Its kind, with the details that enter the digest.
    pub(super) kind: Kind,
}

/// What an item is.
#[derive(Clone)]
pub(super) enum Kind {
    Folder,
    /// A file.
    File(Place),
    Link(String),
}

/// The location of a file.
#[derive(Clone)]
pub(super) struct Place {
    /// From the workspace root, without symlinks.
    pub(super) path: PathBuf,
    /// The file's mark when its directory was listed; `None` if no directory was.
    pub(super) mark: Option<Mark>,
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self { path, mark: None }
    }
}

pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        [folder, "/", name].concat()
    }
}
