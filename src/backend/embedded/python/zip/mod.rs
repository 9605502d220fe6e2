//! Reads wheels, which are zip archives of strangers: every entry is where the archive says, once, and nowhere else.
//!
//! The crate `zip` was the alternative. It merges duplicates silently and never compares the two headers of an entry, and a
//! layer needs the compressed bytes themselves.

mod content;
mod directory;
mod fields;
mod local;
#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;

pub(super) use content::{Chunk, inflate};

/// Why a wheel cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ZipError {
    #[error("{0}")]
    Refused(String),
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("interrupted")]
    Cancelled,
}

/// Refuses an archive for this reason.
pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, ZipError> {
    Err(ZipError::Refused(why.into()))
}

/// An open archive, whose list of entries has been checked.
#[derive(Debug)]
pub(super) struct Zip {
    file: File,
    /// Sorted by name.
    pub(super) members: Vec<Member>,
    /// Where the list of entries starts, which is where the last entry must end.
    directory: u64,
}

/// A file or directory of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// The path, without a slash at the end.
    pub(super) name: String,
    pub(super) is_folder: bool,
    pub(super) is_executable: bool,
    pub(super) is_deflated: bool,
    pub(super) crc: u32,
    /// The size in the archive, in bytes.
    pub(super) packed: u64,
    /// The size of the content, in bytes.
    pub(super) size: u64,
    /// Where its local header starts.
    header: u64,
    flags: u16,
}

/// Where the data of an entry starts, as its own header says. Only entries with matching headers have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start(u64);

impl Zip {
    /// Opens an archive of `size` bytes.
    pub(super) fn open(file: File, size: u64) -> Result<Self, ZipError> {
        let (members, directory) = directory::read(&file, size)?;
        Ok(Self {
            file,
            members,
            directory,
        })
    }

    /// The member of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let of = |member: &Member| member.name.as_str().cmp(name);
        self.members.binary_search_by(of).ok()
    }

    /// Compares all entries with their own headers; returns where the data of each starts.
    pub(super) fn starts(&self) -> Result<Vec<Start>, ZipError> {
        local::starts(&self.file, &self.members, self.directory)
    }
}
