//! An open archive.

use std::fs::File;

use super::entry::{Member, Start, ZipError};
use super::{directory, local};

/// An open archive, whose list of entries has been checked.
#[derive(Debug)]
pub(in crate::backend::embedded::python) struct Zip {
    pub(super) file: File,
    /// Sorted by name.
    pub(in crate::backend::embedded::python) members: Vec<Member>,
    /// Where the list of entries starts, which is where the last entry must end.
    directory: u64,
}

impl Zip {
    /// Opens an archive of `size` bytes.
    pub(in crate::backend::embedded::python) fn open(
        file: File,
        size: u64,
    ) -> Result<Self, ZipError> {
        let (members, directory) = directory::read(&file, size)?;
        Ok(Self {
            file,
            members,
            directory,
        })
    }

    /// The member of this name.
    pub(in crate::backend::embedded::python) fn find(&self, name: &str) -> Option<usize> {
        let of = |member: &Member| member.name.as_str().cmp(name);
        self.members.binary_search_by(of).ok()
    }

    /// Compares all entries with their own headers; returns where the data of each starts.
    pub(in crate::backend::embedded::python) fn starts(&self) -> Result<Vec<Start>, ZipError> {
        local::starts(&self.file, &self.members, self.directory)
    }
}
