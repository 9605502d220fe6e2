//! A file set that was read: its entries, their digest, and what shows later whether it would be read the same.

use std::path::PathBuf;
use std::sync::Arc;

use super::content::{Mark, Stop};
use crate::fingerprint::hash::Hash;
use crate::recipe::FileSet;

/// The content of one file set, as it was when it was read.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The directory that the entries' paths are relative to, absolute.
    pub folder: PathBuf,
    /// The same directory as the manifest names it, from the workspace root; only for people.
    pub place: String,
    /// Whether the set is one file rather than a directory. The file's path may be a link, to be followed.
    pub single: bool,
    /// Whether the files of a directory may be links, to be followed: flytekit reads sources so.
    pub linked: bool,
    /// Of a set of requirements files the path, within the set, of the one that names the others.
    pub main: Option<String>,
    /// What is in the set, sorted by path; a directory's own root is not listed.
    pub entries: Vec<Entry>,
    /// The hash of all entries.
    pub digest: [u8; 32],
    /// How it was read; none if it was not read from disk.
    pub(super) seen: Option<Arc<Seen>>,
}

/// The same files, wherever and whenever they were read.
impl PartialEq for Files {
    fn eq(&self, other: &Self) -> bool {
        self.single == other.single && self.main == other.main && self.entries == other.entries
    }
}

impl Eq for Files {}

impl Files {
    /// Files as given, not read from disk.
    pub fn new(folder: PathBuf, single: bool, main: Option<String>, entries: Vec<Entry>) -> Self {
        let mut files = Self {
            folder,
            single,
            main,
            entries,
            ..Self::default()
        };
        files.digest = digest_of(&files);
        files
    }
}

/// One file, directory or link of a file set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path within the set, `/` between parts.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Folder,
    /// A file.
    File {
        /// Whether anyone may execute it.
        executable: bool,
        /// Size in bytes.
        size: u64,
        /// blake3 of the content.
        digest: [u8; 32],
    },
    /// A symbolic link, taken as it is.
    Link {
        /// What it points to, as written.
        target: String,
    },
}

/// How a set was read, to see later whether it would be read the same.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) root: PathBuf,
    pub(super) stop: Stop,
    pub(super) set: FileSet,
    /// Seconds since 1970 when the reading began.
    pub(super) read: i64,
    /// One for each entry; none for what is no file.
    pub(super) marks: Vec<Option<Mark>>,
}

/// The digest of a file set: everything of it that counts.
pub(super) fn digest_of(files: &Files) -> [u8; 32] {
    let mut hash = Hash::new("imgspec 2026 files v1");
    hash.byte(u8::from(files.single));
    hash.byte(u8::from(files.main.is_some()));
    hash.text(files.main.as_deref().unwrap_or_default());
    for Entry { path, kind } in &files.entries {
        hash.text(path);
        match kind {
            EntryKind::Folder => hash.byte(0),
            EntryKind::File {
                executable,
                // The digest knows it.
                size: _,
                digest,
            } => {
                hash.byte(if *executable { 2 } else { 1 });
                hash.bytes(digest);
            }
            EntryKind::Link { target } => {
                hash.byte(3);
                hash.text(target);
            }
        }
    }
    hash.digest()
}
