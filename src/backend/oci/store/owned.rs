//! Files that belong to a living process: blobs that are being written.
//!
//! The owner holds a lock on its file of random name, which the system releases however it dies; a sweep takes that lock first, so
//! nothing is removed from the living.

use std::fs::TryLockError;
use std::io;

use crate::disk::FileKind;
use crate::disk::dir::{Dir, Fresh, Share};

/// A new file of random name in this directory, which nobody sweeps while it is open.
pub(super) fn create(folder: &Dir) -> io::Result<Fresh> {
    loop {
        let file = folder.fresh()?;
        match file.file().try_lock() {
            // It may have been swept between its making and this.
            Ok(()) if folder.is(file.name(), file.file())? => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(folder.unwritten(file.name(), error)),
        }
    }
}

/// Removes what processes that no longer exist left unfinished.
pub(super) fn sweep(unfinished: &Dir) -> io::Result<()> {
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
