//! Errors of the store, in words; a full disk and a missing permission say what to do, since the user can fix both.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::backend::oci::name::Digest;
use crate::disk::dir::DirError;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bytes do not have the expected digest.
    #[error("blob `{wanted}` was promised, but `{found}` came")]
    Mismatch {
        /// The expected digest.
        wanted: Digest,
        /// The actual digest.
        found: Digest,
    },
    /// It does not exist.
    #[error("blob `{0}` is not in the store")]
    Unknown(Digest),
    /// Its bytes are not those of its digest.
    #[error("`{}` is damaged; remove it", .0.display())]
    Damaged(PathBuf),
    /// It is larger than it may be.
    #[error("blob `{digest}` is larger than {largest} bytes")]
    Large {
        /// Which one.
        digest: Digest,
        /// How large it may be.
        largest: u64,
    },
    /// The file system refuses.
    #[error("{}", words(.0))]
    Files(#[from] io::Error),
}

impl StoreError {
    /// Whether there is no room for more.
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
            "no space is left for `{path}`; free some, or set `XDG_CACHE_HOME` to where there is some"
        ),
        ErrorKind::PermissionDenied => {
            format!("`{path}` may not be used: permission denied; whose is it?")
        }
        ErrorKind::ReadOnlyFilesystem => format!(
            "`{path}` cannot be written: its file system is read-only; set `XDG_CACHE_HOME` to one that is not"
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
            "no space is left for `/cache/x`; free some, or set `XDG_CACHE_HOME` to where there is some"
        );
        assert!(told(ErrorKind::PermissionDenied).contains("permission denied"));
        assert!(told(ErrorKind::ReadOnlyFilesystem).contains("read-only"));
        assert_eq!(
            told(ErrorKind::TimedOut),
            "`/cache/x` cannot be written: timed out"
        );
    }
}
