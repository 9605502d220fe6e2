//! An open store, and access to its blobs by digest.
//!
//! The writer of an unfinished blob holds a lock on its file, which the system releases however the writer dies. A
//! sweep takes that lock first, so it never removes a file in use.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::error::StoreError;
use super::left;
use crate::asking::waiting;
use crate::backend::oci::name::Digest;
use crate::cancel::Cancel;
use crate::disk::cache;
use crate::disk::dir::{Dir, Fresh, Rooted, Share};

/// The lock file shared by all users of the store; pruning locks it exclusively.
pub(super) const LOCK: &str = "lock";

pub(super) const BLOBS: &str = "blobs/sha256";

pub(super) const UNFINISHED: &str = "unfinished";

pub(super) const TURNS: &str = "turns";

pub(super) const NOTES: &str = "notes";

pub(super) const WORKING: &str = "working";

pub(super) const TREES: &str = "trees";

pub(super) const CACHES: &str = "caches";

pub(super) const TOOLS: &str = "tools";

/// An open store; clones share it.
#[derive(Debug, Clone)]
pub struct Store(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    folder: Dir,
    pub(super) blobs: Dir,
    pub(super) unfinished: Dir,
    pub(super) notes: Dir,
    pub(super) turns: Dir,
    pub(super) working: Dir,
    pub(super) trees: Dir,
    pub(super) caches: Dir,
    pub(super) tools: Dir,
    /// Which start of the system this is.
    pub(super) boot: String,
    _used: File,
}

impl Store {
    /// Opens the store in this directory, creating it if necessary, and removes what killed processes left.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_at(
            &cache::below(folder),
            &mut waiting(&Cancel::default(), || {}),
        )
    }

    /// Opens a store in a directory that must not be reached through links. While another process prunes the store,
    /// `waiting` is called repeatedly.
    pub(crate) fn open_at(
        place: &Rooted,
        waiting: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Self, StoreError> {
        let folder = place.make()?;
        let used = folder.lock(LOCK, Share::Sharers, waiting)?;
        let used = used.ok_or_else(|| {
            let why = "another run is still deleting blobs";
            io::Error::new(io::ErrorKind::TimedOut, why)
        })?;
        let store = Inner {
            blobs: folder.make_all(BLOBS)?,
            unfinished: folder.make(UNFINISHED)?,
            notes: folder.make(NOTES)?,
            turns: folder.make(TURNS)?,
            working: folder.make(WORKING)?.lent()?,
            trees: folder.make(TREES)?,
            caches: folder.make(CACHES)?,
            tools: folder.make(TOOLS)?,
            boot: left::boot(),
            _used: used,
            folder,
        };
        left::remove_files(&store.unfinished)?;
        left::remove_files(&store.turns)?;
        left::remove_directories(&store.working)?;
        Ok(Self(Arc::new(store)))
    }

    /// The directory of the store.
    pub fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    /// The size of a blob in bytes; `None` if it does not exist. One that was changed since it was written is verified, and
    /// removed if it is damaged.
    pub fn size(&self, digest: Digest) -> Result<Option<u64>, StoreError> {
        Ok(self.open_blob(digest)?.map(|(_, size)| size))
    }

    /// Opens a blob for reading, verified as by [`Self::size`]; also returns its size in bytes.
    pub fn read(&self, digest: Digest) -> Result<(File, u64), StoreError> {
        self.open_blob(digest)?.ok_or(StoreError::Unknown(digest))
    }

    /// Reads a small blob of at most `largest` bytes, and verifies its digest.
    pub fn read_whole(&self, digest: Digest, largest: u64) -> Result<Vec<u8>, StoreError> {
        let (file, size) = self.read(digest)?;
        if size > largest {
            return Err(StoreError::Large { digest, largest });
        }
        let mut text = Vec::new();
        let blobs = &self.0.blobs;
        (&file)
            .take(largest)
            .read_to_end(&mut text)
            .map_err(|error| blobs.unread(digest.hex(), error))?;
        if Digest::of(&text) == digest {
            return Ok(text);
        }
        self.remove_damaged(digest, &file)?;
        Err(StoreError::Damaged(blobs.path().join(digest.hex())))
    }
}

/// Creates a file with a random name in this directory, locked against sweeps while it is open.
pub(super) fn create(folder: &Dir) -> io::Result<Fresh> {
    loop {
        let file = folder.fresh()?;
        match file.file.try_lock() {
            // It may have been swept before it was locked.
            Ok(()) if folder.is(&file.name, &file.file)? => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(folder.unwritten(&file.name, error)),
        }
    }
}
