//! Errors of the store. For a full disk or a missing permission they say what to do, since the user can fix both.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::backend::oci::name::Digest;
use crate::disk::dir::DirError;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The content does not have the expected digest.
    #[error("expected blob `{wanted}`, but received `{found}`")]
    Mismatch {
        /// The expected digest.
        wanted: Digest,
        /// The actual digest.
        found: Digest,
    },
    /// The blob does not exist.
    #[error("blob `{0}` is not in the store")]
    Unknown(Digest),
    /// The file at this path does not match its digest.
    #[error("`{}` was damaged and has been removed; build again", .0.display())]
    Damaged(PathBuf),
    /// The blob is too large.
    #[error("blob `{digest}` is larger than {largest} bytes")]
    Large {
        /// The blob's digest.
        digest: Digest,
        /// The maximum size in bytes.
        largest: u64,
    },
    /// An error of the file system.
    #[error("{}", words(.0))]
    Files(#[from] io::Error),
}

impl StoreError {
    /// Whether the disk or the quota is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Files(error) if is_full(error))
    }
}

fn is_full(error: &io::Error) -> bool {
    let kind = error.kind();
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn words(error: &io::Error) -> String {
    let trouble = DirError::of(error);
    let path = trouble.map_or(Path::new(""), DirError::path).display();
    match error.kind() {
        _ if is_full(error) => format!(
            "no space left for `{path}`; free some, or set `IMGSPEC_CACHE` to a disk with space"
        ),
        ErrorKind::PermissionDenied => {
            format!("`{path}` cannot be used: permission denied; check its owner")
        }
        ErrorKind::ReadOnlyFilesystem => format!(
            "`{path}` cannot be written: its file system is read-only; set `IMGSPEC_CACHE` to a writable one"
        ),
        _ => trouble.map_or_else(|| error.to_string(), ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::dir::{Rooted, Terms};

    fn told(kind: ErrorKind) -> String {
        let folder = tempfile::tempdir().unwrap();
        let dir = Rooted::new(folder.path(), "", Terms::default()).make();
        let source = dir.unwrap().unwritten("x", kind.into());
        let words = StoreError::from(source).to_string();
        words.replace(&folder.path().display().to_string(), "/cache")
    }

    #[test]
    fn what_the_user_can_mend_is_told_with_how() {
        assert_eq!(
            told(ErrorKind::StorageFull),
            "no space left for `/cache/x`; free some, or set `IMGSPEC_CACHE` to a disk with space"
        );
        assert!(told(ErrorKind::PermissionDenied).contains("permission denied"));
        assert!(told(ErrorKind::ReadOnlyFilesystem).contains("read-only"));
        assert_eq!(
            told(ErrorKind::TimedOut),
            "`/cache/x` cannot be written: timed out"
        );
    }
}
