//! The lock file on disk, beside the root manifest. It is accessed relative to an open directory and never through a link.

use std::io;
use std::path::Path;

use super::text;
use crate::diagnostic::{Diagnostic, Place, Sources};
use crate::disk::dir::{Dir, DirError, Rooted, Terms};
use crate::disk::{limits, system_words};
use crate::workspace::{LOCK_FILE, Lock};

/// Reads the lock file in a directory; `None` if there is none. Its text is added to `sources` only to report mistakes.
pub(crate) fn read(root: &Path, sources: &mut Sources) -> Result<Option<Lock>, Vec<Diagnostic>> {
    let mut place = || {
        let source = sources.add(LOCK_FILE, "");
        Place::new(source, 0..0)
    };
    let unreadable = |why: String, help: &str, place: Place| {
        let message = format!("`{LOCK_FILE}` cannot be read: {why}");
        vec![
            Diagnostic::error("unreadable-lock", message)
                .at(place, "")
                .help(help),
        ]
    };
    let bytes = match directory(root).and_then(|dir| dir.map_or(Ok(None), |dir| bytes(&dir))) {
        Ok(None) => return Ok(None),
        Ok(Some(bytes)) => bytes,
        Err(error) => {
            let help = "make it a readable file, or remove it and run `imgspec lock`";
            return Err(unreadable(words(&error), help, place()));
        }
    };
    let Ok(whole) = String::from_utf8(bytes) else {
        let help = "restore it, or remove it and run `imgspec lock`";
        return Err(unreadable("it is not UTF-8".to_owned(), help, place()));
    };
    let source = sources.add(LOCK_FILE, whole.as_str());
    text::read(&whole, source).map(Some)
}

/// A lock file as it was when read, which can be replaced.
pub struct LockFile {
    dir: Dir,
    before: Option<Vec<u8>>,
}

/// Why a lock file was not written. The existing file is unchanged.
#[derive(Debug)]
pub enum WriteError {
    /// Another process has written the file in the meantime.
    Changed,
    /// The file cannot be written, for this reason.
    Refused(String),
}

impl LockFile {
    /// Reads the current lock file.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn open(root: &Path) -> Result<Self, WriteError> {
        let refused = |error: io::Error| WriteError::Refused(words(&error));
        let dir = directory(root).map_err(refused)?;
        let dir = dir.ok_or_else(|| WriteError::Refused("its directory is gone".to_owned()))?;
        let before = bytes(&dir).map_err(refused)?;
        Ok(Self { dir, before })
    }

    /// Whether the file contains this lock; `None` stands for no file.
    #[must_use]
    pub fn holds(&self, lock: Option<&Lock>) -> bool {
        let mut sources = Sources::default();
        let source = sources.add(LOCK_FILE, "");
        let whole = self.before.as_deref().map(String::from_utf8_lossy);
        match (whole, lock) {
            (None, None) => true,
            (Some(whole), Some(lock)) => text::read(&whole, source).is_ok_and(|read| read == *lock),
            _ => false,
        }
    }

    /// Atomically replaces the file. Returns whether that changed anything.
    ///
    /// # Errors
    /// Fails if the file cannot be written or has changed since it was read. It is then left unchanged.
    pub fn write(&self, lock: &Lock) -> Result<bool, WriteError> {
        let new = text::write(lock);
        // An index may tell what no lock can hold, and a file that cannot be read again helps nobody.
        let mut sources = Sources::default();
        let source = sources.add(LOCK_FILE, "");
        if let Err(mistakes) = text::read(&new, source) {
            let why = mistakes.first().map(|mistake| mistake.message.clone());
            return Err(WriteError::Refused(why.unwrap_or_default()));
        }
        let written = match &self.before {
            Some(before) if before == new.as_bytes() => return Ok(false),
            Some(before) => self.dir.exchange(LOCK_FILE, before, new.as_bytes()),
            None => self.dir.write_new(LOCK_FILE, new.as_bytes()),
        };
        match written {
            Ok(true) => Ok(true),
            Ok(false) => Err(WriteError::Changed),
            Err(error) => Err(WriteError::Refused(words(&error))),
        }
    }
}

fn directory(root: &Path) -> io::Result<Option<Dir>> {
    Rooted::new(root, "", Terms::default()).open()
}

fn bytes(dir: &Dir) -> io::Result<Option<Vec<u8>>> {
    dir.read(LOCK_FILE, limits::LOCK)
}

fn words(error: &io::Error) -> String {
    DirError::of(error).map_or_else(|| system_words(error), DirError::reason)
}
