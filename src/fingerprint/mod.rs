//! File sets → digests, recipe → key.
//!
//! Reads files, writes none; knows no builder. The choice made: a key is the hash of an encoding that is written once,
//! through a trait, and read twice — hashed, and listed for `explain` — so the two cannot disagree.

use std::fmt;
use std::path::PathBuf;

/// The identity of what was asked for: the same key, the same image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The default tag: the first 32 hexadecimal digits.
    #[must_use]
    pub fn tag(&self) -> String {
        self.to_string()[..32].to_owned()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({self})")
    }
}

/// The content of one file set, as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The folder that the entries' paths are relative to, absolute.
    pub folder: PathBuf,
    /// Whether the set is one file rather than a folder.
    pub single: bool,
    /// What is in the set, by path; a folder's own root is not listed.
    pub entries: Vec<Entry>,
    /// The hash of all entries.
    pub digest: [u8; 32],
}

/// One file, folder or link of a file set.
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
    /// A folder.
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
