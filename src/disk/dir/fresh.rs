//! Files that nobody sees before they are whole: written under a name of no meaning, then renamed.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::{Dir, Doing, FileKind, TRIES};

/// The start of the names of files that are not yet whole; a killed process leaves them.
pub(crate) const TEMPORARY: &str = ".new-";

/// A file that is being written; dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Fresh {
    dir: Dir,
    pub(crate) name: String,
    pub(crate) file: File,
    is_kept: bool,
}

impl Dir {
    /// A new file of a name that nobody has, for its owner alone.
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

    /// Makes a file whole, as readable as the umask lets it be. Says whether the name was free: when not, nothing is written.
    pub(crate) fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let mut new = self.unnamed(0o666)?;
        new.file
            .write_all(bytes)
            .and_then(|()| new.file.sync_data())
            .map_err(|error| self.unwritten(name, error))?;
        new.keep_new(self, name)
    }

    /// Writes a file anew, in the place of whatever has its name.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let written = self.anew(name)?.write_all(bytes);
        written.map_err(|error| self.unwritten(name, error))
    }

    /// Replaces a file whole: its readers see the old bytes or the new, also after a power cut.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut new = self.fresh()?;
        new.file
            .write_all(bytes)
            .and_then(|()| new.file.sync_data())
            .map_err(|error| self.unwritten(name, error))?;
        new.keep(self, name)
    }
}

impl Fresh {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| self.dir.unwritten(&self.name, error))
    }

    /// Gives it its name in a directory, in the place of whatever file has it.
    pub(crate) fn keep(mut self, to: &Dir, name: &str) -> io::Result<()> {
        let from = (&self.dir.0.handle, self.name.as_str());
        rustix::fs::renameat(from.0, from.1, &to.0.handle, super::single(name.as_ref())?)
            .map_err(|error| to.refused(name.as_ref(), error, FileKind::File, Doing::Writing))?;
        self.is_kept = true;
        Ok(())
    }
}

impl Fresh {
    /// Gives it a name in a directory if nothing has that; says whether it does now.
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
            // What stays is seen for what it is by its name.
            let _ = rustix::fs::unlinkat(&self.dir.0.handle, &self.name, AtFlags::empty());
        }
    }
}

/// A name by chance: neither clocks nor process ids tell two machines apart that share a disk.
pub(super) fn unused() -> String {
    format!("{TEMPORARY}{:016x}", RandomState::new().hash_one(0))
}
