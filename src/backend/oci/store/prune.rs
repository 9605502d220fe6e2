//! Removes what nobody needs: names belong to runs, so while there is no run that is every blob.
//!
//! It needs the store to itself, since a run may be about to name what has no name yet.

use std::path::Path;

use super::blobs::{BLOBS, LOCK, Store, UNFINISHED, place};
use super::error::StoreError;
use super::owned;
use crate::disk::dir::{Rooted, Share};

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// How many blobs.
    pub blobs: usize,
    /// How many bytes they had.
    pub bytes: u64,
}

impl Store {
    /// Removes all blobs of the store in this directory; none if the store is in use.
    pub fn prune(folder: &Path) -> Result<Option<Pruned>, StoreError> {
        Self::prune_at(&place(folder))
    }

    /// The same, of a directory that links may not lead to.
    pub(crate) fn prune_at(place: &Rooted) -> Result<Option<Pruned>, StoreError> {
        let mut gone = Pruned::default();
        let Some(folder) = place.open()? else {
            return Ok(Some(gone));
        };
        let Some(_alone) = folder.try_lock(LOCK, Share::Nobody)? else {
            return Ok(None);
        };
        if let Some(unfinished) = folder.open(UNFINISHED)? {
            owned::sweep(&unfinished)?;
        }
        let Some(blobs) = folder.open_all(BLOBS)? else {
            return Ok(Some(gone));
        };
        for entry in blobs.entries()? {
            gone.bytes += blobs.bytes(&entry.name);
            blobs.remove_file(&entry.name)?;
            gone.blobs += 1;
        }
        Ok(Some(gone))
    }
}
