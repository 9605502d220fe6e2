//! Errors of reading a file set.
//!
//! I/O errors are stored as text, so that results can be cached and compared. Untrusted file names are stored verbatim
//! and escaped when displayed.

use std::io;

use crate::disk::read::{Refusal, size_words};
use crate::disk::{FileKind, Shown, system_words};

/// A line of a file that names another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// Path of the file relative to the workspace root.
    pub file: String,
    /// Line number, from 1.
    pub line: usize,
}

/// Why a file set could not be read. All paths are relative to the workspace root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// A line of a `.dockerignore` is not a valid pattern.
    #[error("`{}` is not a pattern: {why}", Shown(.text))]
    BadRule {
        /// The line.
        said: Mention,
        /// The line's text.
        text: String,
        /// Why it is invalid.
        why: String,
    },
    /// A link leads nowhere.
    #[error("`{}` is a broken link", Shown(.path))]
    Dangling {
        /// The symlink.
        path: String,
    },
    /// The ignore rules exclude the set itself.
    #[error("`{}` is excluded by the rule `{}`", Shown(.path), Shown(.rule))]
    Excluded {
        /// The file or directory.
        path: String,
        /// The rule's text.
        rule: String,
        /// The rule's line.
        said: Mention,
    },
    /// A file that is read into memory exceeds its size limit.
    #[error("`{}` is larger than {limit}", Shown(.path))]
    Large {
        /// The file.
        path: String,
        /// The limit, for display.
        limit: String,
        /// Where it is named, if not in the manifest.
        said: Option<Mention>,
    },
    /// A requirement is a local path, which the build cannot access.
    #[error("`{}` is a local path, which the build cannot access", Shown(.text))]
    LocalRequirement {
        /// The requirement.
        text: String,
        /// The line that contains it.
        said: Mention,
    },
    /// There is nothing of this name (or a broken link).
    #[error("`{}` does not exist", Shown(.path))]
    Missing {
        /// The file or directory.
        path: String,
        /// Where it is named, if not in the manifest.
        said: Option<Mention>,
    },
    /// A file was changed, replaced or removed while it was being read, twice in a row.
    #[error("`{}` changed while it was being read", Shown(.path))]
    Moved {
        /// The file.
        path: String,
    },
    /// A file name is not UTF-8.
    #[error("the name `{}` is not UTF-8", Shown(.path))]
    Name {
        /// Its path, with `\u{fffd}` in place of invalid bytes.
        path: String,
    },
    /// Something other than a file exists where a file is required.
    #[error("`{}` is {kind}, not a file", Shown(.path))]
    NoFile {
        /// Its path.
        path: String,
        /// Its kind, for display.
        kind: &'static str,
        /// Where it is named, if not in the manifest.
        said: Option<Mention>,
    },
    /// A path, or the target of a symlink, is outside the workspace.
    #[error("`{}` is outside the workspace", Shown(.path))]
    Outside {
        /// The path, verbatim.
        path: String,
        /// Where it is named, if not in the manifest.
        said: Option<Mention>,
    },
    /// An entry of a directory is neither a file, a directory nor a symlink.
    #[error("`{}` is {kind}", Shown(.path))]
    Special {
        /// Its path.
        path: String,
        /// Its kind, for display.
        kind: &'static str,
    },
    /// It is inside imgspec's own state directory.
    #[error("`{}` is part of imgspec's own state", Shown(.path))]
    State {
        /// The file or directory.
        path: String,
    },
    /// flytekit's tag cannot be computed.
    #[error("flytekit's tag cannot be computed: {why}")]
    Tag {
        /// The directory of the manifest that declares the image.
        folder: String,
        /// The reason.
        why: String,
        /// How to fix it.
        help: Vec<String>,
    },
    /// A requirements file is not UTF-8.
    #[error("`{}` is not UTF-8 text", Shown(.path))]
    Text {
        /// The file.
        path: String,
    },
    /// What it takes from outside is not pinned, although it has to be.
    #[error("{why}")]
    Unpinned {
        /// The lock file.
        path: String,
        /// What it does not pin.
        why: String,
        /// How to pin it.
        help: &'static str,
    },
    /// The operating system does not allow reading it.
    #[error("`{}` cannot be read: {why}", Shown(.path))]
    Unreadable {
        /// The file or directory.
        path: String,
        /// The operating system's error.
        why: String,
    },
}

impl FilesError {
    /// The error for a file named by the manifest or, with `said`, by a line of another file.
    pub(crate) fn named(path: &str, said: Option<&Mention>, refusal: Refusal) -> Self {
        let (path, said) = (path.to_owned(), said.cloned());
        match refusal {
            Refusal::Dangling => Self::Dangling { path },
            Refusal::Kind(kind) => {
                let kind = kind.words();
                Self::NoFile { path, kind, said }
            }
            Refusal::Outside => Self::Outside { path, said },
            Refusal::TooLarge(limit) => {
                let limit = size_words(limit);
                Self::Large { path, limit, said }
            }
            Refusal::System(_) if refusal.is_absent() => Self::Missing { path, said },
            Refusal::System(error) => Self::refused(&path, &error),
        }
    }

    /// The error for something that existed a moment ago: if it is gone or of another kind now, it changed.
    pub(crate) fn found(path: &str, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Kind(_) | Refusal::Dangling => Self::Moved { path: path.into() },
            Refusal::System(_) if refusal.is_absent() => Self::Moved { path: path.into() },
            refusal => Self::named(path, None, refusal),
        }
    }

    /// Wraps an error of the operating system.
    pub(crate) fn refused(path: &str, error: &io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            why: system_words(error),
        }
    }

    /// The error for a special file in a directory, which can be neither read nor copied.
    pub(crate) fn special(path: String, kind: FileKind) -> Self {
        let kind = kind.words();
        Self::Special { path, kind }
    }

    /// The location to blame if it is outside the manifest: path of the file relative to the workspace root, and line
    /// from 1.
    pub fn place(&self) -> Option<(&str, usize)> {
        let said = match self {
            Self::BadRule { said, .. }
            | Self::Excluded { said, .. }
            | Self::LocalRequirement { said, .. } => Some(said),
            Self::Large { said, .. }
            | Self::Missing { said, .. }
            | Self::NoFile { said, .. }
            | Self::Outside { said, .. } => said.as_ref(),
            Self::Dangling { .. }
            | Self::Moved { .. }
            | Self::Name { .. }
            | Self::Special { .. }
            | Self::State { .. }
            | Self::Tag { .. }
            | Self::Text { .. }
            | Self::Unpinned { .. }
            | Self::Unreadable { .. } => None,
        };
        said.map(|said| (said.file.as_str(), said.line))
    }

    /// The file, directory or symlink to blame.
    pub fn path(&self) -> &str {
        match self {
            Self::BadRule { said, .. } | Self::LocalRequirement { said, .. } => &said.file,
            Self::Dangling { path }
            | Self::Excluded { path, .. }
            | Self::Large { path, .. }
            | Self::Missing { path, .. }
            | Self::Moved { path }
            | Self::Name { path }
            | Self::NoFile { path, .. }
            | Self::Outside { path, .. }
            | Self::Special { path, .. }
            | Self::State { path }
            | Self::Tag { folder: path, .. }
            | Self::Text { path }
            | Self::Unpinned { path, .. }
            | Self::Unreadable { path, .. } => path,
        }
    }

    /// How to fix it.
    pub fn help(&self) -> Vec<String> {
        let help = match self {
            Self::BadRule { .. } => "put a `\\` before literal special characters",
            Self::Excluded { said, .. } => {
                return vec![format!(
                    "remove line {} of `{}`, or add an exception starting with `!` below it",
                    said.line, said.file
                )];
            }
            Self::LocalRequirement { .. } => {
                "`copy` it into the image and install it in `commands`"
            }
            Self::Dangling { .. } => "fix the link, or remove it",
            Self::Large { .. } => "is it the right file?",
            Self::Missing { .. } => return Vec::new(),
            Self::Moved { .. } => "try again when nothing is writing to it",
            Self::Name { .. } => "rename it, or exclude it with `.dockerignore`",
            Self::NoFile { .. } => "put a file in its place, or name another",
            Self::Outside { .. } => {
                "move it into the directory of the root manifest, or the root manifest further up"
            }
            Self::Special { .. } => "exclude it with `.dockerignore`",
            Self::State { .. } => "copy something else: this directory changes with every build",
            Self::Tag { help, .. } => return help.clone(),
            Self::Text { .. } => "save it as UTF-8",
            Self::Unpinned { help, .. } => help,
            Self::Unreadable { .. } => "make it readable, or exclude it with `.dockerignore`",
        };
        vec![help.to_owned()]
    }
}
