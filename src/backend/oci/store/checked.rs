//! Blobs that are not what they are called: found when they are looked up, or at the latest while they are read.
//!
//! A blob that was verified, when it was written or later, gets a time of modification that no writing leaves behind. So
//! looking it up again costs no reading, and one that was changed since is read before it is believed. What changes
//! without touching the time (a failing disk) is found on the way out: the end of a blob is given away only when its
//! digest is right. See `docs/design/embedded.md`.

use std::fs::{File, FileTimes, Metadata};
use std::io::{self, Read, Seek};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::blobs::Store;
use super::error::StoreError;
use crate::backend::oci::name::Digest;
use crate::cancel::Cancel;

/// The time of modification of verified blobs: 1980-01-01, as in layers.
const VERIFIED: Duration = Duration::from_hours(3652 * 24);

/// How exactly the last use of a blob or note is recorded.
const RECENT: Duration = Duration::from_hours(1);

/// Marks a blob that was hashed while it was written.
pub(super) fn mark(file: &File) -> io::Result<()> {
    file.set_modified(UNIX_EPOCH + VERIFIED)
}

fn is_marked(meta: &Metadata) -> bool {
    let modified = meta.modified().ok();
    modified.is_some_and(|time| time == UNIX_EPOCH + VERIFIED)
}

/// Records that a blob is used now: what has not been used for long is removed first.
fn used(file: &File, meta: &Metadata) {
    if let Some(now) = is_due(meta.accessed()) {
        // Without this record, it is only removed earlier.
        let _ = file.set_times(FileTimes::new().set_accessed(now));
    }
}

/// The same for a note, whose time of modification says nothing else.
pub(super) fn note_used(file: &File, meta: &Metadata) {
    if let Some(now) = is_due(meta.modified()) {
        let _ = file.set_modified(now);
    }
}

/// Now, if the last use was recorded too long ago.
fn is_due(last: io::Result<SystemTime>) -> Option<SystemTime> {
    let now = SystemTime::now();
    let age = last.ok().map(|last| now.duration_since(last));
    let is_recent = age.is_some_and(|age| age.is_ok_and(|age| age < RECENT));
    (!is_recent).then_some(now)
}

/// Whether a file is what its name says; reads it only if it was changed since it was verified.
pub(super) fn is_whole(digest: Digest, file: &File, meta: &Metadata) -> io::Result<bool> {
    if is_marked(meta) {
        return Ok(true);
    }
    let mut hash = Sha256::new();
    io::copy(&mut file.take(meta.len()), &mut hash)?;
    if Digest::finish(hash) != digest {
        return Ok(false);
    }
    // In a store that cannot be written, it is verified each time.
    let _ = mark(file);
    Ok(true)
}

impl Store {
    /// Opens a blob that was verified since it was last changed; also returns its size. A damaged one is removed.
    pub(super) fn open_blob(&self, digest: Digest) -> Result<Option<(File, u64)>, StoreError> {
        let found = self.0.blobs.file(digest.hex())?;
        let Some((mut file, meta)) = found else {
            return Ok(None);
        };
        let unread = |error| self.0.blobs.unread(digest.hex(), error);
        if !is_whole(digest, &file, &meta).map_err(unread)? {
            self.remove_damaged(digest, &file)?;
            return Ok(None);
        }
        file.rewind().map_err(unread)?;
        used(&file, &meta);
        Ok(Some((file, meta.len())))
    }

    /// Removes the file of a blob, unless it has been replaced.
    pub(super) fn remove_damaged(&self, digest: Digest, file: &File) -> io::Result<()> {
        let (blobs, name) = (&self.0.blobs, digest.hex());
        if blobs.is(&name, file)? {
            blobs.remove_file(name)?;
        }
        Ok(())
    }

    /// Opens a blob to give it away; also returns its size.
    pub(in crate::backend) fn send(&self, digest: Digest) -> Result<(Checked, u64), StoreError> {
        let (file, size) = self.read(digest)?;
        let checked = Checked {
            store: self.clone(),
            digest,
            file,
            left: size,
            hash: Sha256::new(),
        };
        Ok((checked, size))
    }
}

/// A blob that is verified while it is read: the last bytes of a damaged one are an error, and it is removed.
#[derive(Debug)]
pub(in crate::backend) struct Checked {
    store: Store,
    digest: Digest,
    file: File,
    left: u64,
    hash: Sha256,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let count = self.file.read(&mut buffer[..most])?;
        self.hash.update(&buffer[..count]);
        self.left -= count as u64;
        let is_cut = count == 0;
        if is_cut || (self.left == 0 && Digest::finish(self.hash.clone()) != self.digest) {
            self.store.remove_damaged(self.digest, &self.file)?;
            let path = self.store.0.blobs.path().join(self.digest.hex());
            return Err(io::Error::other(StoreError::Damaged(path)));
        }
        Ok(count)
    }
}

impl Checked {
    /// The same, until it is cancelled.
    pub(in crate::backend) fn until(self, cancel: &Cancel) -> Stoppable {
        Stoppable(self, cancel.clone())
    }
}

/// A blob whose reading ends when it is cancelled.
pub(in crate::backend) struct Stoppable(Checked, Cancel);

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.is_requested() {
            return Err(io::Error::other("interrupted"));
        }
        self.0.read(buffer)
    }
}
