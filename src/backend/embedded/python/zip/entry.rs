//! An entry of an archive, and why an archive is refused. Pure.

use std::io;

/// Why a wheel cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::backend::embedded::python) enum ZipError {
    #[error("{0}")]
    Refused(String),
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("interrupted")]
    Cancelled,
}

/// Refuses an archive for this reason.
pub(in crate::backend::embedded::python) fn refused<T>(
    why: impl Into<String>,
) -> Result<T, ZipError> {
    Err(ZipError::Refused(why.into()))
}

/// A file or directory of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend::embedded::python) struct Member {
    /// The path, without a slash at the end.
    pub(in crate::backend::embedded::python) name: String,
    pub(in crate::backend::embedded::python) is_folder: bool,
    pub(in crate::backend::embedded::python) is_executable: bool,
    pub(in crate::backend::embedded::python) is_deflated: bool,
    pub(in crate::backend::embedded::python) crc: u32,
    /// The size in the archive, in bytes.
    pub(in crate::backend::embedded::python) packed: u64,
    /// The size of the content, in bytes.
    pub(in crate::backend::embedded::python) size: u64,
    /// Where its local header starts.
    pub(super) header: u64,
    pub(super) flags: u16,
}

impl Member {
    /// How long the buffers are that it is read into whole: for its bytes in the archive, unless they are its content, and for its
    /// content. A byte more than it should have shows that it has more.
    pub(in crate::backend::embedded::python) fn room(&self) -> (usize, usize) {
        let length = |size: u64| usize::try_from(size).unwrap_or(usize::MAX - 1);
        let packed = if self.is_deflated {
            length(self.packed)
        } else {
            0
        };
        (packed, length(self.size) + 1)
    }
}

/// Where the data of an entry starts, as its own header says. Only entries with matching headers have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend::embedded::python) struct Start(pub(super) u64);
