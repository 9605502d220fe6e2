//! Writes files atomically: under a random temporary name that is then renamed.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::{Dir, Doing, FileKind, TRIES};

/// Prefix of temporary names; a killed process may leave such files behind.
pub(crate) const TEMPORARY: &str = ".new-";

/// A file being written; removed on drop unless it was kept.
#[derive(Debug)]
pub(crate) struct Fresh {
    dir: Dir,
    pub(crate) name: String,
    pub(crate) file: File,
    is_kept: bool,
}

impl Dir {
    /// Creates a file with an unused random name, accessible only to its owner.
    pub(crate) fn fresh(&self) -> io::Result<Fresh> {
        self.unnamed(0o600)
    }

    fn unnamed(&self, mode: u32) -> io::Result<Fresh> {
        for _ in 0..TRIES {
            let name = unused();
            if let Some(file) = self.create(&name, mode)? {
                return Ok(Fresh {
                    dir: self.clone(),
                    name,
                    file,
                    is_kept: false,
                });
            }
        }
        Err(self.own(Doing::Writing, Errno::EXIST))
    }

    /// Creates a file atomically, with permissions according to the umask. Returns false, writing nothing, if the name
    /// is taken.
    pub(crate) fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let mut new = self.unnamed(0o666)?;
        new.file
            .write_all(bytes)
            .and_then(|()| new.file.sync_data())
            .map_err(|error| self.unwritten(name, error))?;
        new.keep_new(self, name)
    }

    /// Writes a new file, replacing whatever has this name.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let written = self.anew(name)?.write_all(bytes);
        written.map_err(|error| self.unwritten(name, error))
    }

    /// Replaces a file atomically: readers see the old bytes or the new ones, even after a power failure.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut new = self.fresh()?;
        new.file
            .write_all(bytes)
            .and_then(|()| new.file.sync_data())
            .map_err(|error| self.unwritten(name, error))?;
        new.keep(self, name)
    }

    /// Replaces a file in one step, but without waiting for the disk: after a power failure it may be empty or damaged. For
    /// what tells by itself whether it is whole.
    pub(crate) fn replace_soon(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut new = self.fresh()?;
        new.write(bytes)?;
        new.keep(self, name)
    }
}

impl Fresh {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.dir.unwritten(&self.name, error))
    }

    /// Renames the file to `name` in the directory `to`, replacing any file with that name.
    pub(crate) fn keep(mut self, to: &Dir, name: &str) -> io::Result<()> {
        let from = (&self.dir.0.handle, self.name.as_str());
        rustix::fs::renameat(from.0, from.1, &to.0.handle, super::single(name.as_ref())?)
            .map_err(|error| to.refused(name.as_ref(), error, FileKind::File, Doing::Writing))?;
        self.is_kept = true;
        Ok(())
    }
}

impl Fresh {
    /// Like [`Self::keep`], but only if the name is not taken. Returns whether it was renamed.
    fn keep_new(self, to: &Dir, name: &str) -> io::Result<bool> {
        let (from, own) = (&self.dir.0.handle, self.name.as_str());
        let named = super::single(name.as_ref())?;
        match rustix::fs::linkat(from, own, &to.0.handle, named, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            // A file system without hard links.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) if to.kind(name)?.is_none() => {
                self.keep(to, name).map(|()| true)
            }
            Err(error) => Err(to.refused(name.as_ref(), error, FileKind::File, Doing::Writing)),
        }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.is_kept {
            // A leftover is recognizable by its name.
            let _ = rustix::fs::unlinkat(&self.dir.0.handle, &self.name, AtFlags::empty());
        }
    }
}

/// A random name: neither clocks nor process ids are unique among machines that share a disk.
pub(crate) fn unused() -> String {
    format!("{TEMPORARY}{:016x}", RandomState::new().hash_one(0))
}
