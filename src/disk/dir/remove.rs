//! Removes what is below our directories, by handle, and nothing that symlinks lead to.
//!
//! Directories may be replaced by symlinks, or moved, at any moment. Open handles are unaffected by this; only entries
//! of an open directory are unlinked; and an entry that turns out to be of another kind is examined again.

use std::ffi::{OsStr, OsString};
use std::io;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::fresh::unused;
use super::{Dir, Doing, FileKind, TRIES, Why, single};

/// Maximum recursion depth, because each level uses an open handle and stack space; deeper trees are removed in parts.
const DEEPEST: usize = 32;

impl Dir {
    /// Removes anything except a directory; a symlink itself, not its target. A missing file is not an error.
    pub(crate) fn remove_file(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let name = name.as_ref();
        match self.unlink(name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(_) if self.kind(name)? == Some(FileKind::Directory) => {
                Err(self.entry_error(name, Why::NoFile(FileKind::Directory)))
            }
            Err(error) => Err(self.trouble(name, Doing::Removing, error)),
        }
    }

    /// Removes a file, or a directory with everything in it. A missing entry is not an error.
    pub(crate) fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        let mut due = vec![name.as_ref().to_owned()];
        while let Some(name) = due.pop() {
            let mut deep = Deep {
                top: self,
                due: &mut due,
            };
            self.remove_below(&name, 0, &mut deep)?;
        }
        Ok(())
    }

    fn remove_below(&self, name: &OsStr, depth: usize, deep: &mut Deep<'_>) -> io::Result<()> {
        let mut last = Errno::NOTEMPTY;
        for _ in 0..TRIES {
            match self.unlink(name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                // For directories, systems return one or the other.
                Err(Errno::ISDIR | Errno::PERM) => {}
                Err(error) => return Err(self.trouble(name, Doing::Removing, error)),
            }
            self.unlock(name);
            match self.open(name) {
                Ok(Some(below)) => below.remove_all(depth + 1, deep)?,
                Ok(None) => return Ok(()),
                // It was a directory a moment ago.
                Err(_) if self.kind(name)? != Some(FileKind::Directory) => {
                    last = Errno::PERM;
                    continue;
                }
                Err(error) => return Err(error),
            }
            match self.unlink(name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                // Another process put something into it, or replaced it.
                Err(error @ (Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR)) => last = error,
                Err(error) => return Err(self.trouble(name, Doing::Removing, error)),
            }
        }
        Err(self.trouble(name, Doing::Removing, last))
    }

    fn remove_all(&self, depth: usize, deep: &mut Deep<'_>) -> io::Result<()> {
        for entry in self.entries()? {
            if depth < DEEPEST || entry.kind != FileKind::Directory {
                self.remove_below(&entry.name, depth, deep)?;
            } else {
                deep.take_up(self, &entry.name)?;
            }
        }
        Ok(())
    }

    fn unlink(&self, name: &OsStr, flags: AtFlags) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.0.handle, single(name)?, flags)
    }

    /// The total size in bytes of the files below a name; those that cannot be examined count as 0.
    pub(crate) fn bytes(&self, name: impl AsRef<OsStr>) -> u64 {
        self.bytes_below(name.as_ref(), 0)
    }

    fn bytes_below(&self, name: &OsStr, depth: usize) -> u64 {
        let Ok(stat) = self.stat(name) else { return 0 };
        if super::kind_of(&stat) != FileKind::Directory {
            return u64::try_from(stat.st_size).unwrap_or_default();
        }
        let below = self.open(name).ok().flatten();
        let Some(below) = below.filter(|_| depth < DEEPEST) else {
            return 0;
        };
        let entries = below.entries().unwrap_or_default();
        let bytes = entries
            .iter()
            .map(|entry| below.bytes_below(&entry.name, depth + 1));
        bytes.sum()
    }
}

/// Directories nested too deeply, which are moved up and removed from the top.
struct Deep<'a> {
    top: &'a Dir,
    due: &'a mut Vec<OsString>,
}

impl Deep<'_> {
    fn take_up(&mut self, from: &Dir, name: &OsStr) -> io::Result<()> {
        let here = unused();
        match rustix::fs::renameat(&from.0.handle, single(name)?, &self.top.0.handle, &here) {
            Ok(()) => self.due.push(here.into()),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(from.trouble(name, Doing::Removing, error)),
        }
        Ok(())
    }
}
