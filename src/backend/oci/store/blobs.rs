//! The store, opened, and its blobs by their digests.
//!
//! The writer of an unfinished blob holds a lock on its file, which the system releases however it dies; a sweep takes that lock
//! first, so nothing is removed from the living.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use crate::asking::waiting;
use crate::backend::oci::name::Digest;
use crate::cancel::Cancel;
use crate::disk::FileKind;
use crate::disk::dir::{Dir, Fresh, Rooted, Share, Terms};

/// The file whose lock is shared by all who use the store; who throws away wants it alone.
const LOCK: &str = "lock";

pub(super) const BLOBS: &str = "blobs/sha256";

pub(super) const UNFINISHED: &str = "unfinished";

/// The store, open; a clone is the same one.
#[derive(Debug, Clone)]
pub struct Store(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    folder: Dir,
    pub(super) blobs: Dir,
    pub(super) unfinished: Dir,
    _used: File,
}

impl Store {
    /// Opens the store in this directory, which is made if need be; what killed processes left is swept.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_at(&place(folder), &mut waiting(&Cancel::default(), || {}))
    }

    /// The same, of a directory that links may not lead to. While another process throws blobs away, `waiting` is called again
    /// and again.
    pub(crate) fn open_at(
        place: &Rooted,
        waiting: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Self, StoreError> {
        let folder = place.make()?;
        let used = folder.lock(LOCK, Share::Sharers, waiting)?;
        let used = used.ok_or_else(|| {
            let why = "another run is throwing blobs away and does not end";
            io::Error::new(io::ErrorKind::TimedOut, why)
        })?;
        let store = Inner {
            blobs: folder.make_all(BLOBS)?,
            unfinished: folder.make(UNFINISHED)?,
            _used: used,
            folder,
        };
        sweep(&store.unfinished)?;
        Ok(Self(Arc::new(store)))
    }

    /// The directory.
    pub fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    /// The size of a blob in bytes; none if it does not exist.
    pub fn size(&self, digest: Digest) -> Result<Option<u64>, StoreError> {
        let found = self.0.blobs.file(digest.hex())?;
        Ok(found.map(|(_, meta)| meta.len()))
    }

    /// A blob, open for reading, and its size in bytes.
    pub fn read(&self, digest: Digest) -> Result<(File, u64), StoreError> {
        let found = self.0.blobs.file(digest.hex())?;
        let (file, meta) = found.ok_or(StoreError::Unknown(digest))?;
        Ok((file, meta.len()))
    }

    /// The bytes of a small blob, with its digest verified.
    pub fn read_whole(&self, digest: Digest, largest: u64) -> Result<Vec<u8>, StoreError> {
        let (file, size) = self.read(digest)?;
        if size > largest {
            return Err(StoreError::Large { digest, largest });
        }
        let mut text = Vec::new();
        let blobs = &self.0.blobs;
        file.take(largest)
            .read_to_end(&mut text)
            .map_err(|error| blobs.unread(digest.hex(), error))?;
        if Digest::of(&text) == digest {
            Ok(text)
        } else {
            Err(StoreError::Damaged(blobs.path().join(digest.hex())))
        }
    }

    /// Removes all blobs of the store in this directory, and says how many; none if the store is in use, because a run may be
    /// about to name what has no name yet. Names belong to runs, so while there is no run nobody needs a blob.
    pub fn prune(folder: &Path) -> Result<Option<usize>, StoreError> {
        Self::prune_at(&place(folder))
    }

    /// The same, of a directory that links may not lead to.
    pub(crate) fn prune_at(place: &Rooted) -> Result<Option<usize>, StoreError> {
        let Some(folder) = place.open()? else {
            return Ok(Some(0));
        };
        let Some(_alone) = folder.try_lock(LOCK, Share::Nobody)? else {
            return Ok(None);
        };
        if let Some(unfinished) = folder.open(UNFINISHED)? {
            sweep(&unfinished)?;
        }
        let Some(blobs) = folder.open_all(BLOBS)? else {
            return Ok(Some(0));
        };
        let entries = blobs.entries()?;
        for entry in &entries {
            blobs.remove_file(&entry.name)?;
        }
        Ok(Some(entries.len()))
    }
}

/// A directory of the user's cache; images may hold what not everybody on the machine may read.
pub(crate) fn cache() -> Terms {
    Terms {
        keeps: "its cache",
        or: ", or set `XDG_CACHE_HOME` to another directory",
        is_private: true,
        hidden: None,
    }
}

/// A directory that is in one of the user's.
fn place(folder: &Path) -> Rooted {
    let (above, name) = match (folder.parent(), folder.file_name()) {
        (Some(above), Some(name)) => (above, PathBuf::from(name)),
        _ => (folder, PathBuf::new()),
    };
    Rooted::new(above, name, cache())
}

/// A new file of random name in this directory, which nobody sweeps while it is open.
pub(super) fn create(folder: &Dir) -> io::Result<Fresh> {
    loop {
        let file = folder.fresh()?;
        match file.file.try_lock() {
            // It may have been swept between its making and this.
            Ok(()) if folder.is(&file.name, &file.file)? => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(folder.unwritten(&file.name, error)),
        }
    }
}

/// Removes what processes that no longer exist left unfinished.
fn sweep(unfinished: &Dir) -> io::Result<()> {
    for entry in unfinished.entries()? {
        // What cannot be removed now is tried again by the next process.
        if let (FileKind::File, Some(name)) = (entry.kind, entry.name.to_str())
            && let Ok(Some(_held)) = unfinished.try_lock(name, Share::Nobody)
        {
            let _ = unfinished.remove_file(name);
        }
    }
    Ok(())
}
