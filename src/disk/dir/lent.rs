//! Directories of ours whose contents belong to others: the files of an image, with its accounts' owners and modes.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::error::Terms;
use super::{Dir, Doing, single};

impl Dir {
    /// The same directory, whose contents may belong to anybody and may be closed to their own owner.
    pub(crate) fn lent(&self) -> io::Result<Self> {
        let handle = self.0.handle.try_clone();
        let handle = handle.map_err(|error| self.unread(".", error))?;
        let terms = Terms {
            is_private: false,
            is_lent: true,
            ..Terms::clone(&self.0.terms)
        };
        Ok(Self::new(handle, self.0.path.clone(), Arc::new(terms)))
    }

    /// Its handle, for what only some directories hold: devices, hard links, owners.
    pub(crate) fn handle(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.0.handle.as_fd()
    }

    /// Moves an entry of any kind to another directory, where the name must be unused.
    pub(crate) fn hand_over(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        let (from, onto) = (single(name.as_ref())?, single(new.as_ref())?);
        rustix::fs::renameat(&self.0.handle, from, &to.0.handle, onto)
            .map_err(|error| to.trouble(onto, Doing::Writing, error))
    }

    /// Opens a lent entry to its owner, who may have closed it. What cannot be opened is noticed when it is used.
    pub(crate) fn unlock(&self, name: &OsStr) {
        if !self.0.terms.is_lent {
            return;
        }
        if let Ok(handle) = self.open_at(name, OFlags::PATH, Mode::empty()) {
            // The only way to a mode that never follows a link: a handle that grants no reading is not taken itself.
            let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
            let _ = rustix::fs::chmod(path, Mode::RWXU);
        }
    }
}
