//! Writing of blobs to the store.
//!
//! Blobs are hashed while written, so that nothing is read twice, and synced before they get their name, because after
//! a power failure a name without its content would stay wrong. If two writers write the same blob, one wins.

use std::io::Read;

use sha2::{Digest as _, Sha256};

use super::blobs::{Store, create};
use super::checked;
use super::error::StoreError;
use crate::backend::oci::name::Digest;
use crate::disk::dir::Fresh;

const PIECE: usize = 256 << 10;

/// A blob in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
}

/// A blob being written; dropping it discards it.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    file: Fresh,
    /// What is not in the file yet: layers come in small pieces.
    waiting: Vec<u8>,
    hash: Sha256,
    size: u64,
}

impl Store {
    /// Starts writing a blob.
    pub fn writer(&self) -> Result<Writer, StoreError> {
        Ok(Writer {
            store: self.clone(),
            file: create(&self.0.unfinished)?,
            waiting: Vec::with_capacity(PIECE),
            hash: Sha256::new(),
            size: 0,
        })
    }

    /// Stores everything that `from` yields; fails if the content does not have the digest `wanted`.
    pub fn put(&self, mut from: impl Read, wanted: Option<Digest>) -> Result<Blob, StoreError> {
        let mut writer = self.writer()?;
        let mut piece = Vec::new();
        loop {
            piece.clear();
            let read = from.by_ref().take(PIECE as u64).read_to_end(&mut piece);
            match read {
                Ok(0) => return writer.finish(wanted),
                Ok(_) => writer.add(&piece)?,
                Err(error) => {
                    let name = &writer.file.name;
                    return Err(self.0.unfinished.unwritten(name, error).into());
                }
            }
        }
    }
}

impl Writer {
    /// The number of bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes. After an error the blob cannot be continued.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.waiting.len() + bytes.len() > PIECE {
            self.flush()?;
        }
        if bytes.len() < PIECE {
            self.waiting.extend_from_slice(bytes);
        } else {
            self.file.write(bytes)?;
        }
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.file.write(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    /// Completes the blob; fails if it does not have the digest `wanted`.
    pub fn finish(mut self, wanted: Option<Digest>) -> Result<Blob, StoreError> {
        self.flush()?;
        let digest = Digest::finish(self.hash);
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
            return Err(StoreError::Mismatch {
                wanted,
                found: digest,
            });
        }
        let done = Blob {
            digest,
            size: self.size,
        };
        // A damaged one is removed by looking at it.
        if self.store.size(digest)?.is_none() {
            let (blobs, name) = (&self.store.0.blobs, digest.hex());
            let synced = checked::mark(&self.file.file).and_then(|()| self.file.file.sync_data());
            synced.map_err(|error| blobs.unwritten(&name, error))?;
            self.file.keep(blobs, &name)?;
        }
        Ok(done)
    }
}
