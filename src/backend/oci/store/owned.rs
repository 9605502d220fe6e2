//! Files and folders that belong to a living process: blobs that are being written, links of a run.
//!
//! The choice made: the owner holds a lock on a file of random name, which the system frees when it dies, however it dies; whoever
//! sweeps takes that lock first, so that nothing is taken from the living.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tempfile::NamedTempFile;

use super::error::{StoreError, at};
use super::links;

/// Where blobs are written.
pub(super) const UNFINISHED: &str = "unfinished";

/// How the file is called whose lock says that the folder beside it, without this, has an owner.
pub(super) const OWNER: &str = ".owner";

/// A new file of random name in this folder, which nobody sweeps while it is open.
pub(super) fn create(folder: &Path, suffix: &str) -> Result<NamedTempFile, StoreError> {
    loop {
        let file = tempfile::Builder::new()
            .suffix(suffix)
            .tempfile_in(folder)
            .map_err(at(folder))?;
        if is_taken(file.as_file(), file.path()).map_err(at(file.path()))? {
            return Ok(file);
        }
    }
}

/// Locks the file; whether it is still the one of that name, and not one that was swept between its making and this.
fn is_taken(file: &File, path: &Path) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let there = std::fs::metadata(path).map(|meta| meta.ino());
    Ok(there.is_ok_and(|there| file.metadata().is_ok_and(|own| own.ino() == there)))
}

/// Removes what belonged to processes that are no more.
pub(super) fn sweep(store: &Path) -> Result<(), StoreError> {
    for folder in [store.join(UNFINISHED), store.join(links::RUNS)] {
        for entry in std::fs::read_dir(&folder).map_err(at(&folder))? {
            let path = entry.map_err(at(&folder))?.path();
            if path.is_file() {
                sweep_one(&path);
            }
        }
    }
    Ok(())
}

/// What cannot be removed now will be tried again by the next process.
fn sweep_one(path: &Path) {
    let opened = File::options().read(true).write(true).open(path);
    let Ok(file) = opened else { return };
    if file.try_lock().is_ok() {
        if path.extension().is_some_and(|last| last == &OWNER[1..]) {
            let _ = std::fs::remove_dir_all(path.with_extension(""));
        }
        let _ = std::fs::remove_file(path);
    }
}
