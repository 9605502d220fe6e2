//! What earlier processes left: their locks are free. And what an earlier start of the system left.

use std::fs;
use std::io;

use crate::backend::sandbox;
use crate::disk::FileKind;
use crate::disk::dir::{Dir, Share, unused};

/// Where Linux tells its starts apart.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// The end of the names of the lock files of directories.
pub(super) const LOCKED: &str = ".lock";

/// Removes files of processes that no longer exist.
pub(super) fn remove_files(folder: &Dir) -> io::Result<()> {
    for entry in folder.entries()? {
        // What cannot be removed now is left for the next process.
        if let (FileKind::File, Some(name)) = (entry.kind, entry.name.to_str())
            && let Ok(Some(_held)) = folder.try_lock(name, Share::Nobody)
        {
            let _ = folder.remove_file(name);
        }
    }
    Ok(())
}

/// Removes directories of processes that no longer exist.
pub(super) fn remove_directories(folder: &Dir) -> io::Result<()> {
    for entry in folder.entries()? {
        let lock = entry.name.to_str().filter(|_| entry.kind == FileKind::File);
        let Some((lock, name)) = lock.and_then(|lock| Some((lock, lock.strip_suffix(LOCKED)?)))
        else {
            continue;
        };
        if let Ok(Some(_held)) = folder.try_lock(lock, Share::Nobody)
            && remove(folder, name).is_ok()
        {
            let _ = folder.remove_file(lock);
        }
    }
    Ok(())
}

/// Removes a directory whose files may belong to subordinate ids of this user, as those of a tree or of a killed command.
pub(super) fn remove(folder: &Dir, name: &str) -> io::Result<()> {
    folder
        .remove(name)
        .or_else(|error| match sandbox::empty(&folder.path().join(name)) {
            Ok(true) => folder.remove(name),
            Ok(false) => Err(error),
            Err(other) => Err(io::Error::other(format!("{error}; {other}"))),
        })
}

/// What tells this start of the system from all others.
pub(super) fn boot() -> String {
    // Where the system does not tell, nothing of another process is used.
    fs::read_to_string(BOOT).map_or_else(|_| unused(), |boot| boot.trim().to_owned())
}
