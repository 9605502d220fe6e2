//! Throws away what nobody needs: names are those of runs, so without a run that is every blob.
//!
//! The choice made: only with the store for itself, since a run may be about to name what nothing names yet.

use std::fs::TryLockError;
use std::path::Path;

use super::error::at;
use super::{StoreError, links, lock_file, owned};

/// What was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// How many blobs.
    pub blobs: usize,
    /// How many bytes they had.
    pub bytes: u64,
}

impl super::Store {
    /// Throws away all blobs of the store in this folder; none when the store is in use.
    ///
    /// # Errors
    /// When something cannot be read or removed.
    pub fn prune(folder: &Path) -> Result<Option<Pruned>, StoreError> {
        if !folder.is_dir() {
            return Ok(Some(Pruned::default()));
        }
        let lock = lock_file(folder)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(at(folder)(error)),
        }
        owned::sweep(folder)?;
        let mut gone = Pruned::default();
        let blobs = folder.join("blobs/sha256");
        for name in links::names(&blobs)? {
            let path = blobs.join(name);
            gone.bytes += std::fs::metadata(&path).map_err(at(&path))?.len();
            std::fs::remove_file(&path).map_err(at(&path))?;
            gone.blobs += 1;
        }
        Ok(Some(gone))
    }
}
