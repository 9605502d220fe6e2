//! A file set that was read: its entries, their digest, and what is needed to detect changes.

use std::path::PathBuf;
use std::sync::Arc;

use super::content::Stop;
use super::mark::Mark;
use crate::fingerprint::hash::Hash;
use crate::recipe::FileSet;

/// The contents of a file set as of one reading.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The directory that the entries' paths are relative to; absolute.
    pub folder: PathBuf,
    /// The same directory relative to the workspace root, as named in the manifest; for display only.
    pub place: String,
    /// Whether the set is a single file rather than a directory. The file's path may be a symlink to follow.
    pub single: bool,
    /// Whether files in a directory may be symlinks to follow, as flytekit does for sources.
    pub linked: bool,
    /// For requirements files, the path within the set of the one that includes the others.
    pub main: Option<String>,
    /// The entries, sorted by path; the directory itself is not listed.
    pub entries: Vec<Entry>,
    /// A hash of all entries.
    pub digest: [u8; 32],
    /// How it was read; `None` if it was not read from disk.
    pub(super) seen: Option<Arc<Seen>>,
}

/// Compares contents, regardless of where and when they were read.
impl PartialEq for Files {
    fn eq(&self, other: &Self) -> bool {
        self.single == other.single && self.main == other.main && self.entries == other.entries
    }
}

impl Eq for Files {}

impl Files {
    /// Makes a set from given entries, not read from disk.
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

/// A file, directory or symlink in a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path within the set, with `/` as separator.
    pub path: String,
    /// Its kind, with the details that enter the digest.
    pub kind: EntryKind,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Folder,
    /// A file.
    File {
        /// Whether any execute bit is set.
        executable: bool,
        /// Size in bytes.
        size: u64,
        /// blake3 hash of the content.
        digest: [u8; 32],
    },
    /// A symbolic link, not followed.
    Link {
        /// Its target, verbatim.
        target: String,
    },
}

impl EntryKind {
    /// A file with this mark and digest.
    pub(super) fn file(mark: &Mark, digest: [u8; 32]) -> Self {
        Self::File {
            executable: mark.is_executable(),
            size: mark.size(),
            digest,
        }
    }
}

/// How a set was read, to detect changes later.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) root: PathBuf,
    pub(super) stop: Stop,
    pub(super) set: FileSet,
    /// When reading started, in seconds since 1970.
    pub(super) read: i64,
    /// One per entry; `None` for entries that are not files.
    pub(super) marks: Vec<Option<Mark>>,
    /// The work of reading it that an index would have saved.
    pub(super) work: Work,
}

/// The number and total size of files that were read and whose marks are not racy.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Work {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// The digest of a file set: a hash of everything in it that affects images.
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
                // Implied by the digest.
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
