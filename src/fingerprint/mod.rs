//! File sets → digests, recipe → key.
//!
//! Reads files, writes none; knows no builder. The choice made: a key is the hash of an encoding that is written once,
//! through a trait, and read twice — hashed, and listed for `explain` — so the two cannot disagree.

pub mod files;
pub mod flytekit;
pub mod ignore;
mod images;
mod key;
mod listing;
mod naming;
mod workspace;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

pub use files::{FileReader, FilesError, read_files};
pub use images::{Fingerprint, FingerprintError, fingerprint};
pub use key::key;
pub use listing::{Change, Input, diff, inputs};
pub use naming::{Namer, flytekit_ids, namers};
pub use workspace::{BadSet, Fingerprints};

/// The identity of what was asked for: the same key, the same image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 32]);

impl Key {
    /// The key with these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Whether a text is this key as it is displayed.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        text.parse() == Ok(*self)
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

/// A text is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a key has 64 hexadecimal digits in lower case")]
pub struct BadKey;

impl FromStr for Key {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(BadKey),
        };
        let mut bytes = [0; 32];
        if text.len() != 2 * bytes.len() {
            return Err(BadKey);
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(digits[0])? << 4 | digit(digits[1])?;
        }
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({self})")
    }
}

/// The content of one file set, as it was when it was read.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// The folder that the entries' paths are relative to, absolute.
    pub folder: PathBuf,
    /// The same folder as the manifest names it, from the workspace root; only for people.
    pub place: String,
    /// Whether the set is one file rather than a folder. The file's path may be a link, to be followed.
    pub single: bool,
    /// Whether the files of a folder may be links, to be followed: flytekit reads sources so.
    pub linked: bool,
    /// Of a set of requirements files the path, within the set, of the one that names the others.
    pub main: Option<String>,
    /// What is in the set, sorted by path; a folder's own root is not listed.
    pub entries: Vec<Entry>,
    /// The hash of all entries.
    pub digest: [u8; 32],
    /// How it was read; none if it was not read from disk.
    seen: Option<Arc<files::Seen>>,
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
    #[must_use]
    pub fn new(folder: PathBuf, single: bool, main: Option<String>, entries: Vec<Entry>) -> Self {
        let mut files = Self {
            folder,
            single,
            main,
            entries,
            ..Self::default()
        };
        files.digest = key::digest_of(&files);
        files
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = Key::new(std::array::from_fn(|at| u8::try_from(at * 7).unwrap()));
        let text = key.to_string();
        assert_eq!(text.parse(), Ok(key));
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Key>(&json).unwrap(), key);
        for bad in [
            "",
            "0",
            &text[1..],
            &text.to_uppercase(),
            &format!("{text}00"),
            &"é".repeat(32),
        ] {
            assert_eq!(bad.parse::<Key>(), Err(BadKey), "{bad}");
        }
    }
}
