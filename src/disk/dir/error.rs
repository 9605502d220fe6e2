//! The purpose of our directories, and errors about them: the path, what is wrong, how to fix it.
//!
//! A [`DirError`] is wrapped in an [`io::Error`] that retains the kind of the system's error, so that a full disk is
//! still recognizable.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

use crate::disk::read::Refusal;
use crate::disk::{FileKind, system_words};

/// The purpose of our directories, and how they are handled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// What is stored there, as in "imgspec keeps its state".
    pub(crate) keeps: &'static str,
    /// An alternative to removing what is in the way: ", or …".
    pub(crate) or: &'static str,
    /// Whether other users have no access.
    pub(crate) is_private: bool,
    /// Whether it holds files of others, whose modes may have to be changed to remove them.
    pub(crate) is_lent: bool,
    /// Prefix to strip from displayed paths.
    pub(crate) hidden: Option<PathBuf>,
}

impl Terms {
    pub(super) fn mode(&self) -> Mode {
        if self.is_private {
            Mode::RWXU
        } else {
            Mode::RWXU | Mode::RWXG | Mode::RWXO
        }
    }

    pub(super) fn shown<'a>(&self, path: &'a Path) -> &'a Path {
        let hidden = self.hidden.as_ref();
        hidden
            .and_then(|hidden| path.strip_prefix(hidden).ok())
            .filter(|shown| !shown.as_os_str().is_empty())
            .unwrap_or(path)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{}{}", self.what(), self.help().map_or_else(String::new, |help| format!(": {help}")))]
pub(crate) struct DirError {
    path: PathBuf,
    terms: Terms,
    why: Why,
}

#[derive(Debug)]
pub(super) enum Why {
    NoDirectory(FileKind),
    NoFile(FileKind),
    /// A private directory belongs to another user.
    Foreign,
    /// A file that would be written to has another hard link, which may belong to anyone.
    Shared,
    /// A file was opened but could not be read.
    Unread(Refusal),
    System(Doing, io::Error),
}

/// The failed operation, as in "cannot be read".
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum Doing {
    #[error("read")]
    Reading,
    #[error("written")]
    Writing,
    #[error("removed")]
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

    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Whether the error is that something else is in the place of one of our files or directories.
    pub(crate) fn is_misplaced(error: &io::Error) -> bool {
        Self::of(error).is_some_and(|trouble| trouble.help().is_some())
    }

    /// Whether the error is that something else is in the place of a directory.
    pub(crate) fn is_no_directory(error: &io::Error) -> bool {
        Self::of(error).is_some_and(|trouble| matches!(trouble.why, Why::NoDirectory(_)))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong, with the path.
    pub(crate) fn what(&self) -> String {
        let path = self.path.display();
        match &self.why {
            Why::NoDirectory(is) => format!("`{path}` is {is}, not a directory"),
            Why::NoFile(is) => format!("`{path}` is {is}, not a file"),
            Why::Foreign => format!("`{path}` belongs to another user"),
            Why::Shared => format!("`{path}` has another name as well: it is a hard link"),
            Why::Unread(refusal) => format!("`{path}` cannot be read: {refusal}"),
            Why::System(doing, error) => {
                let error = system_words(error);
                format!("`{path}` cannot be {doing}: {error}")
            }
        }
    }

    /// What is wrong, without the path.
    pub(crate) fn reason(&self) -> String {
        match &self.why {
            Why::NoDirectory(is) => format!("it is {is}, not a directory"),
            Why::NoFile(is) => format!("it is {is}, not a file"),
            Why::Foreign => "it belongs to another user".to_owned(),
            Why::Shared => "it has another name as well".to_owned(),
            Why::Unread(refusal) => refusal.to_string(),
            Why::System(_, error) => system_words(error),
        }
    }

    /// How to fix it, if something else is in its place.
    pub(crate) fn help(&self) -> Option<String> {
        let is_misplaced = matches!(
            self.why,
            Why::NoDirectory(_) | Why::NoFile(_) | Why::Foreign | Why::Shared
        );
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

impl From<DirError> for io::Error {
    fn from(trouble: DirError) -> Self {
        Self::new(trouble.kind(), trouble)
    }
}
