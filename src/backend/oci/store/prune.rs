//! Throws away what nobody needs: blobs that no named manifest consists of.
//!
//! The choice made: only with the store for itself, since a run may be about to name what nothing names yet.

use std::collections::BTreeSet;
use std::fs::TryLockError;
use std::path::Path;

use super::error::at;
use super::{StoreError, blob, links, lock_file, owned};
use crate::backend::oci::manifest::{LARGEST, Manifest};
use crate::backend::oci::name::Digest;

/// What was thrown away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// How many blobs.
    pub blobs: usize,
    /// How many bytes they had.
    pub bytes: u64,
}

impl super::Store {
    /// Throws away all blobs of the store in this folder that no named manifest consists of; none when the store is in use.
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
        let kept = needed(folder)?;
        let mut gone = Pruned::default();
        let blobs = folder.join("blobs/sha256");
        for name in links::names(&blobs)? {
            if !Digest::read_hex(&name).is_some_and(|digest| kept.contains(&digest)) {
                let path = blobs.join(name);
                gone.bytes += std::fs::metadata(&path).map_err(at(&path))?.len();
                std::fs::remove_file(&path).map_err(at(&path))?;
                gone.blobs += 1;
            }
        }
        Ok(Some(gone))
    }
}

/// All that the named manifests consist of, and what those consist of.
fn needed(folder: &Path) -> Result<BTreeSet<Digest>, StoreError> {
    let (mut found, mut read) = (BTreeSet::new(), BTreeSet::new());
    let mut next = links::all_manifests(folder)?;
    while let Some(digest) = next.pop() {
        if !read.insert(digest) {
            continue;
        }
        let path = blob(folder, digest);
        let small = std::fs::metadata(&path).is_ok_and(|meta| meta.len() <= LARGEST);
        let text = if small {
            std::fs::read(&path).ok()
        } else {
            None
        };
        if let Some(Ok(manifest)) = text.map(|text| Manifest::read(&text, None)) {
            found.extend(manifest.blobs.iter().map(|one| one.digest));
            next.extend(manifest.manifests.iter().map(|one| one.digest));
        }
    }
    found.append(&mut read);
    Ok(found)
}
