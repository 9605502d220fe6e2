//! The blobs of images, by their digests, in one folder that all processes of a user share; and what they are called.
//!
//! Knows no backend and no network. The choices made (`docs/design/exchange.md`): a blob appears under its digest only whole
//! and on disk, by a rename, so that no reader needs a lock; whatever is unfinished belongs to a process that holds a lock on
//! it, so that what a killed one left is known from what a living one needs.

mod error;
mod links;
mod owned;
mod prune;
#[cfg(test)]
mod tests;
mod write;

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::name::Digest;
pub use error::StoreError;
use error::{at, is_absent};
pub use links::{Links, Run, Stored};
pub use prune::Pruned;
pub use write::{Blob, Writer};

/// The store, open; a clone is the same one.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// Shared by all who use the store; who throws away wants it alone.
    _used: File,
}

impl Store {
    /// Opens the store in this folder, which is made if need be; what killed processes left is swept.
    ///
    /// # Errors
    /// When the folder cannot be made, written or locked.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        for part in ["blobs/sha256", owned::UNFINISHED, links::RUNS] {
            make_folder(&folder.join(part))?;
        }
        let used = lock_file(folder)?;
        used.lock_shared().map_err(at(folder))?;
        owned::sweep(folder)?;
        Ok(Self(Arc::new(Inner {
            folder: folder.to_owned(),
            _used: used,
        })))
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// How many bytes a blob has; none if it is not there.
    ///
    /// # Errors
    /// When nobody can say.
    pub fn size(&self, digest: Digest) -> Result<Option<u64>, StoreError> {
        let path = blob(self.folder(), digest);
        match std::fs::metadata(&path) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// A blob to be read, and how many bytes it has.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn read(&self, digest: Digest) -> Result<(File, u64), StoreError> {
        let path = blob(self.folder(), digest);
        match File::open(&path) {
            Ok(file) => {
                let size = file.metadata().map_err(at(&path))?.len();
                Ok((file, size))
            }
            Err(error) if is_absent(&error) => Err(StoreError::Unknown(digest)),
            Err(error) => Err(at(&path)(error)),
        }
    }

    /// A small blob whole, with its digest looked at.
    ///
    /// # Errors
    /// When it is not there, is larger than `largest`, is damaged or cannot be read.
    pub fn read_whole(&self, digest: Digest, largest: u64) -> Result<Vec<u8>, StoreError> {
        let (file, size) = self.read(digest)?;
        if size > largest {
            return Err(StoreError::Large { digest, largest });
        }
        let mut text = Vec::new();
        let path = blob(self.folder(), digest);
        file.take(largest)
            .read_to_end(&mut text)
            .map_err(at(&path))?;
        if Digest::of(&text) == digest {
            Ok(text)
        } else {
            Err(StoreError::Damaged(path))
        }
    }
}

fn blob(folder: &Path, digest: Digest) -> PathBuf {
    folder.join("blobs/sha256").join(digest.hex())
}

/// Images may hold what not everybody on the machine may read.
fn make_folder(path: &Path) -> Result<(), StoreError> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true).mode(0o700);
    folder.create(path).map_err(at(path))
}

fn lock_file(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(at(&path))
}
