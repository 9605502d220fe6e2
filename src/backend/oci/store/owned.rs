//! Files and directories that belong to a living process: blobs that are being written, links of a run.
//!
//! The owner holds a lock on a file of random name, which the system releases however it dies; a sweep takes that lock first, so
//! nothing is removed from the living.

use std::fs::TryLockError;
use std::io;

use crate::disk::FileKind;
use crate::disk::dir::{Dir, Fresh, Share};

/// Where blobs are written.
pub(super) const UNFINISHED: &str = "unfinished";

/// The directory of the links of runs.
pub(super) const RUNS: &str = "runs";

/// How the file is called whose lock says that the directory beside it, without this, has an owner.
pub(super) const OWNER: &str = ".owner";

/// The directory beside a file that says that it has an owner.
pub(super) fn folder_of(owner: &str) -> &str {
    owner.strip_suffix(OWNER).unwrap_or(owner)
}

/// A new file of random name in this directory, which nobody sweeps while it is open.
pub(super) fn create(folder: &Dir, suffix: &str) -> io::Result<Fresh> {
    loop {
        let file = folder.fresh(suffix)?;
        match file.file().try_lock() {
            // It may have been swept between its making and this.
            Ok(()) if folder.is(file.name(), file.file())? => return Ok(file),
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(folder.unwritten(file.name(), error)),
        }
    }
}

/// Removes what belonged to processes that are no more.
pub(super) fn sweep(store: &Dir) -> io::Result<()> {
    for folder in [UNFINISHED, RUNS] {
        let Some(folder) = store.open(folder)? else {
            continue;
        };
        for entry in folder.entries()? {
            if let (FileKind::File, Some(name)) = (entry.kind, entry.name.to_str()) {
                sweep_one(&folder, name);
            }
        }
    }
    Ok(())
}

/// What cannot be removed now will be tried again by the next process.
fn sweep_one(folder: &Dir, name: &str) {
    if let Ok(Some(_held)) = folder.try_lock(name, Share::Nobody) {
        if name.ends_with(OWNER) {
            let _ = folder.remove(folder_of(name));
        }
        let _ = folder.remove_file(name);
    }
}
