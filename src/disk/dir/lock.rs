//! Locks between processes: lock files that the operating system releases when their holder dies.
//!
//! Waiting polls instead of blocking in the kernel, so that it can be interrupted.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use rustix::fs::OFlags;

use super::{Dir, Doing, FileKind, TRIES, mode_of};

/// First and longest polling interval: short at first, because many locks are held only briefly.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

/// Who else may hold a lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Nobody,
    /// Other holders that share it.
    Sharers,
}

impl Dir {
    /// Locks the file with this name, creating it if needed; `None` if another process holds the lock.
    pub(crate) fn try_lock(&self, name: &str, share: Share) -> io::Result<Option<File>> {
        for _ in 0..TRIES {
            let file = self.lock_file(name.as_ref())?;
            let locked = match share {
                Share::Nobody => file.try_lock(),
                Share::Sharers => file.try_lock_shared(),
            };
            match locked {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(self.unwritten(name, error)),
                Ok(()) => {}
            }
            // If the file was removed between opening and locking, this lock excludes nobody.
            if self.is(name, &file)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Waits for the lock. `waiting` is called before each retry; returns `None` if it breaks.
    pub(crate) fn lock(
        &self,
        name: &str,
        share: Share,
        waiting: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> io::Result<Option<File>> {
        let [mut pause, longest] = PAUSES;
        loop {
            if let Some(file) = self.try_lock(name, share)? {
                return Ok(Some(file));
            }
            if waiting().is_break() {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = longest.min(2 * pause);
        }
    }

    /// Whether an open file is the one with this name.
    pub(crate) fn is(&self, name: &str, file: &File) -> io::Result<bool> {
        let held = rustix::fs::fstat(file)
            .map_err(|error| self.trouble(name.as_ref(), Doing::Reading, error))?;
        let named = self.stat(name.as_ref());
        Ok(named.is_ok_and(|named| (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)))
    }

    fn lock_file(&self, name: &OsStr) -> io::Result<File> {
        let handle = self
            .open_at(name, OFlags::RDWR | OFlags::CREATE, mode_of(0o666))
            .map_err(|error| self.refused(name, error, FileKind::File, Doing::Writing))?;
        Ok(self.regular(name, handle, Doing::Writing)?.0)
    }
}
