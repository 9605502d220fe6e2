//! Replaces a user's file atomically, provided that it has not changed since it was read.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Gid, Mode, OFlags, Uid, fchown};
use rustix::io::Errno;

use super::{Dir, Doing, FileKind};
use crate::disk::read;

impl Dir {
    /// Replaces the contents `old` of a file by `new`, preserving mode and owner. Returns false, writing nothing, if
    /// the file has different contents or is being exchanged concurrently.
    pub(crate) fn exchange(&self, name: &str, old: &[u8], new: &[u8]) -> io::Result<bool> {
        // Opened for writing although it is not written to, so that write protection is honored.
        let handle = match self.open_at(OsStr::new(name), OFlags::RDWR, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => {
                return Err(self.refused(name.as_ref(), error, FileKind::File, Doing::Writing));
            }
        };
        let (file, meta) = self.regular(name.as_ref(), handle, Doing::Writing)?;
        let mut fresh = self.fresh()?;
        fresh.write(new)?;
        let unwritten = |error: io::Error| self.unwritten(name, error);
        let made = fresh.file.metadata().map_err(unwritten)?;
        if (made.uid(), made.gid()) != (meta.uid(), meta.gid()) {
            let owner = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
            fchown(&fresh.file, Some(owner.0), Some(owner.1))
                .map_err(|error| unwritten(error.into()))?;
        }
        let permissions = fresh.file.set_permissions(meta.permissions());
        permissions
            .and_then(|()| fresh.file.sync_data())
            .map_err(unwritten)?;
        // Of two concurrent exchanges one gets the lock, and the other then finds a different file. Not every file
        // system supports locks.
        let is_taken = matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock));
        if is_taken || !self.is(name, &file)? {
            return Ok(false);
        }
        let now = read::limited(&file, &meta, old.len() as u64);
        if now.map_or(true, |now| now != old) {
            return Ok(false);
        }
        fresh.keep(self, name)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use crate::disk::dir::{Dir, Rooted, Terms};

    fn directory() -> (tempfile::TempDir, Dir) {
        let parent = tempfile::tempdir().unwrap();
        let dir = Rooted::new(parent.path(), "", Terms::default()).open();
        (parent, dir.unwrap().unwrap())
    }

    #[test]
    fn a_file_that_is_what_was_read_is_exchanged_and_keeps_its_mode() {
        let (parent, dir) = directory();
        let path = parent.path().join("a");
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o604)).unwrap();
        assert!(dir.exchange("a", b"old", b"longer").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"longer");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o604);
        assert_eq!(dir.entries().unwrap().len(), 1);
    }

    #[test]
    fn what_is_something_else_by_now_stays() {
        let (parent, dir) = directory();
        let path = parent.path().join("a");
        assert!(!dir.exchange("a", b"old", b"new").unwrap());
        for other in ["ole", "ol", "older", ""] {
            std::fs::write(&path, other).unwrap();
            assert!(!dir.exchange("a", b"old", b"new").unwrap(), "{other}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
        std::fs::write(&path, "old").unwrap();
        let held = std::fs::File::open(&path).unwrap();
        held.lock().unwrap();
        assert!(!dir.exchange("a", b"old", b"new").unwrap());
        drop(held);
        symlink("a", parent.path().join("link")).unwrap();
        let error = dir.exchange("link", b"old", b"new").unwrap_err();
        assert!(
            error.to_string().contains("is a symbolic link, not a file"),
            "{error}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(dir.entries().unwrap().len(), 2);
    }
}
