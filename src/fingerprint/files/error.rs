//! Why a file set could not be read: data in fields, words in `Display`.
//!
//! Knows no screen. The choice made: input and output errors are kept as words, so that a result can be cached and compared.

/// A line of a file that names another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The file, from the workspace root.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// Why a file set could not be read. All paths are from the workspace root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// A line of a `.dockerignore` is no pattern.
    #[error("`{text}` is no pattern: {why}")]
    BadRule {
        /// The line.
        said: Said,
        /// What it says.
        text: String,
        /// Why it is no pattern.
        why: String,
    },
    /// The set itself is left out by the ignore rules.
    #[error("`{path}` is left out by the rule `{rule}`")]
    Excluded {
        /// The file or folder.
        path: String,
        /// What the rule says.
        rule: String,
        /// The rule's line.
        said: Said,
    },
    /// A requirement is a path, so the build would not find it.
    #[error("`{text}` is a path on this machine, which the build does not see")]
    LocalRequirement {
        /// The requirement.
        text: String,
        /// Its line.
        said: Said,
    },
    /// There is nothing of this name (or a link that leads nowhere).
    #[error("`{path}` does not exist")]
    Missing {
        /// The file or folder.
        path: String,
        /// Who names it, if that is not the manifest.
        said: Option<Said>,
    },
    /// A file was changed, replaced or removed while it was being read, twice.
    #[error("`{path}` changed while it was being read")]
    Moved {
        /// The file.
        path: String,
    },
    /// A name is not UTF-8.
    #[error("the name `{path}` is not UTF-8")]
    Name {
        /// The file, with `\u{fffd}` for what is not UTF-8.
        path: String,
    },
    /// A path, or the link that it is, leads out of the workspace.
    #[error("`{path}` lies outside the workspace")]
    Outside {
        /// The path as given.
        path: String,
        /// Who names it, if that is not the manifest.
        said: Option<Said>,
    },
    /// It is neither file nor folder nor link.
    #[error("`{path}` is a {kind}")]
    Special {
        /// The thing.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// It is in the folder that this program keeps its state in.
    #[error("`{path}` belongs to imgspec's own state")]
    State {
        /// The file or folder.
        path: String,
    },
    /// flytekit's tag cannot be computed.
    #[error("flytekit's tag cannot be computed: {why}")]
    Tag {
        /// The folder of the manifest that declares the image.
        folder: String,
        /// Why.
        why: String,
        /// What to do.
        help: Vec<String>,
    },
    /// A requirements file is not UTF-8.
    #[error("`{path}` is not UTF-8 text")]
    Text {
        /// The file.
        path: String,
    },
    /// The operating system does not let it be read.
    #[error("`{path}` cannot be read: {why}")]
    Unreadable {
        /// The file or folder.
        path: String,
        /// What the operating system says.
        why: String,
    },
}

impl FilesError {
    /// The line of a file (not of the manifest) that is to blame: file, from the workspace root, and line, from 1.
    #[must_use]
    pub fn place(&self) -> Option<(&str, usize)> {
        let said = match self {
            Self::BadRule { said, .. }
            | Self::Excluded { said, .. }
            | Self::LocalRequirement { said, .. } => Some(said),
            Self::Missing { said, .. } | Self::Outside { said, .. } => said.as_ref(),
            Self::Moved { .. }
            | Self::Name { .. }
            | Self::Special { .. }
            | Self::State { .. }
            | Self::Tag { .. }
            | Self::Text { .. }
            | Self::Unreadable { .. } => None,
        };
        said.map(|said| (said.file.as_str(), said.line))
    }

    /// The file, folder or link that it is about.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::BadRule { said, .. } | Self::LocalRequirement { said, .. } => &said.file,
            Self::Excluded { path, .. }
            | Self::Missing { path, .. }
            | Self::Moved { path }
            | Self::Name { path }
            | Self::Outside { path, .. }
            | Self::Special { path, .. }
            | Self::State { path }
            | Self::Tag { folder: path, .. }
            | Self::Text { path }
            | Self::Unreadable { path, .. } => path,
        }
    }

    /// What to do about it.
    #[must_use]
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
            Self::Missing { .. } => return Vec::new(),
            Self::Moved { .. } => "try again when nothing writes to it",
            Self::Name { .. } => "rename it, or leave it out in `.dockerignore`",
            Self::Outside { .. } => {
                "move it into the folder of the root manifest, or the root manifest further up"
            }
            Self::Special { .. } => "leave it out in `.dockerignore`",
            Self::State { .. } => "copy something else: this folder changes with every build",
            Self::Tag { help, .. } => return help.clone(),
            Self::Text { .. } => "save it as UTF-8",
            Self::Unreadable { .. } => "make it readable, or leave it out in `.dockerignore`",
        };
        vec![help.to_owned()]
    }
}
