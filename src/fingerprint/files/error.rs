//! Why a file set could not be read: data in fields, words in `Display`.
//!
//! Knows no screen. Input and output errors are kept as words, so that a result can be cached and compared;
//! what a stranger calls his files is kept as it is and made harmless where it is told.

use std::io;

use crate::disk::read::{Refusal, size_words};
use crate::disk::{FileKind, Shown, system_words};

/// A line of a file that names another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The file, from the workspace root.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// Why a file set could not be read. All paths are from the workspace root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// A line of a `.dockerignore` is not a pattern.
    #[error("`{}` is not a pattern: {why}", Shown(.text))]
    BadRule {
        /// The line.
        said: Mention,
        /// What it says.
        text: String,
        /// Why it is not a pattern.
        why: String,
    },
    /// A link leads nowhere.
    #[error("`{}` is a link that leads nowhere", Shown(.path))]
    Dangling {
        /// The link.
        path: String,
    },
    /// The set itself is left out by the ignore rules.
    #[error("`{}` is left out by the rule `{}`", Shown(.path), Shown(.rule))]
    Excluded {
        /// The file or directory.
        path: String,
        /// What the rule says.
        rule: String,
        /// The rule's line.
        said: Mention,
    },
    /// A file that is read whole is too large for that.
    #[error("`{}` is larger than {limit}", Shown(.path))]
    Large {
        /// The file.
        path: String,
        /// How large it may be.
        limit: String,
        /// Who names it, if that is not the manifest.
        said: Option<Mention>,
    },
    /// A requirement is a path, so the build would not find it.
    #[error("`{}` is a path on this machine, which the build does not see", Shown(.text))]
    LocalRequirement {
        /// The requirement.
        text: String,
        /// Its line.
        said: Mention,
    },
    /// There is nothing of this name (or a link that leads nowhere).
    #[error("`{}` does not exist", Shown(.path))]
    Missing {
        /// The file or directory.
        path: String,
        /// Who names it, if that is not the manifest.
        said: Option<Mention>,
    },
    /// A file was changed, replaced or removed while it was being read, twice.
    #[error("`{}` changed while it was being read", Shown(.path))]
    Moved {
        /// The file.
        path: String,
    },
    /// A name is not UTF-8.
    #[error("the name `{}` is not UTF-8", Shown(.path))]
    Name {
        /// The file, with `\u{fffd}` for what is not UTF-8.
        path: String,
    },
    /// A file is wanted and something else is there.
    #[error("`{}` is {kind}, not a file", Shown(.path))]
    NoFile {
        /// What is there.
        path: String,
        /// What it is.
        kind: &'static str,
        /// Who names it, if that is not the manifest.
        said: Option<Mention>,
    },
    /// A path, or the link that it is, leads out of the workspace.
    #[error("`{}` lies outside of the workspace", Shown(.path))]
    Outside {
        /// The path as given.
        path: String,
        /// Who names it, if that is not the manifest.
        said: Option<Mention>,
    },
    /// Something in a directory is neither file nor directory nor link.
    #[error("`{}` is {kind}", Shown(.path))]
    Special {
        /// The thing.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// It is in the directory that this program keeps its state in.
    #[error("`{}` belongs to imgspec's own state", Shown(.path))]
    State {
        /// The file or directory.
        path: String,
    },
    /// flytekit's tag cannot be computed.
    #[error("flytekit's tag cannot be computed: {why}")]
    Tag {
        /// The directory of the manifest that declares the image.
        folder: String,
        /// Why.
        why: String,
        /// What to do.
        help: Vec<String>,
    },
    /// A requirements file is not UTF-8.
    #[error("`{}` is not UTF-8 text", Shown(.path))]
    Text {
        /// The file.
        path: String,
    },
    /// The operating system does not let it be read.
    #[error("`{}` cannot be read: {why}", Shown(.path))]
    Unreadable {
        /// The file or directory.
        path: String,
        /// What the operating system says.
        why: String,
    },
}

impl FilesError {
    /// Why a file is not read that somebody names: the manifest, if nobody else.
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

    /// Why something is not read that was found a moment ago: if it is another thing now, or none, it moved.
    pub(crate) fn found(path: &str, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Kind(_) | Refusal::Dangling => Self::Moved { path: path.into() },
            Refusal::System(_) if refusal.is_absent() => Self::Moved { path: path.into() },
            refusal => Self::named(path, None, refusal),
        }
    }

    /// What the operating system's refusal means.
    pub(crate) fn refused(path: &str, error: &io::Error) -> Self {
        Self::Unreadable {
            path: path.to_owned(),
            why: system_words(error),
        }
    }

    /// Something in a directory that can be neither read nor copied.
    pub(crate) fn special(path: String, kind: FileKind) -> Self {
        let kind = kind.words();
        Self::Special { path, kind }
    }

    /// The line of a file (not of the manifest) that is to blame: file, from the workspace root, and line, from 1.
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
            | Self::Unreadable { .. } => None,
        };
        said.map(|said| (said.file.as_str(), said.line))
    }

    /// The file, directory or link that it is about.
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
            | Self::Unreadable { path, .. } => path,
        }
    }

    /// What to do about it.
    pub fn help(&self) -> Vec<String> {
        let help = match self {
            Self::BadRule { .. } => "put a `\\` before a character that is meant as it is",
            Self::Excluded { said, .. } => {
                return vec![format!(
                    "remove line {} of `{}`, or add an exception that begins with `!` below it",
                    said.line, said.file
                )];
            }
            Self::LocalRequirement { .. } => {
                "`copy` it into the image and install it in `commands`"
            }
            Self::Dangling { .. } => "mend the link, or remove it",
            Self::Large { .. } => "is it the right file?",
            Self::Missing { .. } => return Vec::new(),
            Self::Moved { .. } => "try again when nothing writes to it",
            Self::Name { .. } => "rename it, or leave it out in `.dockerignore`",
            Self::NoFile { .. } => "put a file in its place, or name another",
            Self::Outside { .. } => {
                "move it into the directory of the root manifest, or the root manifest further up"
            }
            Self::Special { .. } => "leave it out in `.dockerignore`",
            Self::State { .. } => "copy something else: this directory changes with every build",
            Self::Tag { help, .. } => return help.clone(),
            Self::Text { .. } => "save it as UTF-8",
            Self::Unreadable { .. } => "make it readable, or leave it out in `.dockerignore`",
        };
        vec![help.to_owned()]
    }
}
