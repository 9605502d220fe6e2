//! Locks between processes: files whose lock the operating system frees when their holder dies.
//!
//! Who waits asks again and again rather than sleeping in the kernel, so that an interrupt ends it.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use rustix::fs::OFlags;

use super::{Dir, Doing, FileKind, TRIES, mode_of};

/// How soon a waiting process asks again at first, and at last: what is held shortly is had soon.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(50)];

/// Who else may have a lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Share {
    Nobody,
    /// Others who share it too.
    Sharers,
}

impl Dir {
    /// Locks the file of this name, made if there is none; none if somebody else has it.
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
            // It may have been removed between opening and locking: such a lock keeps nobody out.
            if self.is(name, &file)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// The same, once nobody else has it. `waiting` is called before each further try; none when it breaks.
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

    /// Whether an open file is the one of this name.
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
