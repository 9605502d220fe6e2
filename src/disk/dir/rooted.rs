//! The location of one of our directories before it is opened: below a directory of the user's, whose path may contain
//! symlinks.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::{DirError, Doing, Terms, Why};
use super::{DIRECTORY, Dir};

/// One of our directories, which may not exist, or may turn out not to be a directory.
#[derive(Debug, Clone)]
pub(crate) struct Rooted {
    anchor: PathBuf,
    below: PathBuf,
    terms: Arc<Terms>,
}

impl Rooted {
    /// The path `below`, none of whose components may be a symlink, relative to the user's directory `anchor`.
    pub(crate) fn new(anchor: &Path, below: impl AsRef<Path>, terms: Terms) -> Self {
        Self {
            anchor: anchor.to_owned(),
            below: below.as_ref().to_owned(),
            terms: Arc::new(terms),
        }
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> Self {
        Self {
            below: self.below.join(name),
            ..self.clone()
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.anchor.join(&self.below)
    }

    /// Its parent directory, and its name there.
    pub(crate) fn split(&self) -> Option<(Self, &OsStr)> {
        let above = Self {
            below: self.below.parent()?.to_owned(),
            ..self.clone()
        };
        Some((above, self.below.file_name()?))
    }

    /// Opens it; `None` if it does not exist.
    pub(crate) fn open(&self) -> io::Result<Option<Dir>> {
        match self.open_anchor()? {
            Some(anchor) => anchor.open_all(&self.below),
            None => Ok(None),
        }
    }

    /// Opens it, creating missing directories.
    pub(crate) fn make(&self) -> io::Result<Dir> {
        if let Some(anchor) = self.open_anchor()? {
            return anchor.make_all(&self.below);
        }
        let unwritten = |error| self.trouble(Doing::Writing, error);
        std::fs::create_dir_all(&self.anchor).map_err(unwritten)?;
        let anchor = self.open_anchor()?;
        let anchor = anchor.ok_or_else(|| unwritten(Errno::NOENT.into()))?;
        anchor.make_all(&self.below)
    }

    /// Opens the user's own directory, whose path may contain symlinks.
    fn open_anchor(&self) -> io::Result<Option<Dir>> {
        let flags = DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(&self.anchor, flags, Mode::empty()) {
            Ok(handle) => Ok(Some(Dir::new(
                handle,
                self.anchor.clone(),
                Arc::clone(&self.terms),
            ))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.trouble(Doing::Reading, error.into())),
        }
    }

    fn trouble(&self, doing: Doing, error: io::Error) -> io::Error {
        DirError::new(&self.anchor, &self.terms, Why::System(doing, error)).into()
    }
}
