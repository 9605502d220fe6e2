//! What is wrong with something of ours: which path, what it is, what to do.
//!
//! It travels inside an [`io::Error`], whose kind stays the system's, so a full disk is still known as one.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::terms::Terms;
use crate::disk::read::Refusal;
use crate::disk::{FileKind, system_words};

/// Something of ours could not be used.
#[derive(Debug)]
pub(crate) struct DirError {
    /// As it is shown.
    path: PathBuf,
    terms: Terms,
    why: Why,
}

#[derive(Debug)]
pub(super) enum Why {
    /// It should be a directory.
    NoDirectory(FileKind),
    /// It should be a regular file.
    NoFile(FileKind),
    /// A file that would be written to has another name as well, which may be anybody's.
    Shared,
    /// A file was opened, and not read.
    Unread(Refusal),
    /// The operating system's answer.
    System(Doing, io::Error),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Doing {
    Reading,
    Writing,
    Removing,
}

impl DirError {
    pub(super) fn new(path: &Path, terms: &Terms, why: Why) -> Self {
        Self {
            path: terms.shown(path).to_owned(),
            terms: terms.clone(),
            why,
        }
    }

    /// The trouble that an error is about.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Whether an error is that something else is where something of ours should be.
    pub(crate) fn is_misplaced(error: &io::Error) -> bool {
        Self::of(error).is_some_and(|trouble| trouble.help().is_some())
    }

    /// The path, as it is shown.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong, with the path.
    pub(crate) fn what(&self) -> String {
        let path = self.path.display();
        match &self.why {
            Why::NoDirectory(is) => format!("`{path}` is {is}, not a directory"),
            Why::NoFile(is) => format!("`{path}` is {is}, not a file"),
            Why::Shared => format!("`{path}` has another name as well: it is a hard link"),
            Why::Unread(refusal) => format!("`{path}` cannot be read: {refusal}"),
            Why::System(doing, error) => {
                format!(
                    "`{path}` cannot be {}: {}",
                    doing.word(),
                    system_words(error)
                )
            }
        }
    }

    /// What is wrong, without the path.
    pub(crate) fn reason(&self) -> String {
        match &self.why {
            Why::NoDirectory(is) => format!("it is {is}, not a directory"),
            Why::NoFile(is) => format!("it is {is}, not a file"),
            Why::Shared => "it has another name as well".to_owned(),
            Why::Unread(refusal) => refusal.to_string(),
            Why::System(_, error) => system_words(error),
        }
    }

    /// What to do, where the place itself is not what it should be.
    pub(crate) fn help(&self) -> Option<String> {
        let is_misplaced = matches!(self.why, Why::NoDirectory(_) | Why::NoFile(_) | Why::Shared);
        is_misplaced.then(|| {
            let Terms { keeps, or, .. } = &self.terms;
            format!("imgspec keeps {keeps} in directories and files of its own; remove it{or}")
        })
    }

    fn kind(&self) -> io::ErrorKind {
        match &self.why {
            Why::System(_, error) | Why::Unread(Refusal::System(error)) => error.kind(),
            _ => io::ErrorKind::InvalidData,
        }
    }
}

impl Doing {
    fn word(self) -> &'static str {
        match self {
            Self::Reading => "read",
            Self::Writing => "written",
            Self::Removing => "removed",
        }
    }
}

impl fmt::Display for DirError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what())?;
        self.help().map_or(Ok(()), |help| write!(out, ": {help}"))
    }
}

impl Error for DirError {}

impl From<DirError> for io::Error {
    fn from(trouble: DirError) -> Self {
        Self::new(trouble.kind(), trouble)
    }
}
