//! Why flytekit's id, tag or name cannot be computed.
//!
//! Has the meaning of flytekit's own errors but imgspec's wording; problems with files are reported as for any other
//! file of the workspace.

use crate::fingerprint::FilesError;

/// Why flytekit's id, tag or name cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line of a `.dockerignore` is not a valid pattern for docker-py, whose rules flytekit follows.
    #[error("`{text}` in `{file}` is not a pattern: {why}")]
    BadPattern {
        /// Path of the file relative to the workspace root.
        file: String,
        /// The line.
        text: String,
        /// Why it is invalid.
        why: String,
    },
    /// flytekit rejects the registry.
    #[error("flytekit does not accept the registry `{registry}`")]
    BadRegistry {
        /// The registry, in lower case.
        registry: String,
    },
    /// Sources are to be copied, but there is no source root.
    #[error("`{name}` copies sources but has no `source-root`")]
    CopyWithoutRoot {
        /// The name of the image.
        name: String,
    },
    /// A problem with a file or directory.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// git failed to list ignored files.
    #[error("git cannot list the files it ignores in `{folder}`: {why}")]
    Git {
        /// Path of the directory relative to the workspace root.
        folder: String,
        /// git's error.
        why: String,
    },
    /// Loaded modules are known only to a running Python process.
    #[error("`loaded-modules` means the modules of a running Python process, but there is none")]
    LoadedModules,
    /// A field is not a mapping.
    #[error("`{field}` is not a mapping")]
    NotDict {
        /// flytekit's name of the field.
        field: String,
    },
    /// A field is not a list of strings.
    #[error("`{field}` is not a list of strings")]
    NotList {
        /// flytekit's name of the field.
        field: String,
    },
    /// A tag format has a placeholder that is unnamed or numbered.
    #[error("`tag-format` has an unnamed or numbered placeholder (number {index})")]
    NumberedPlaceholder {
        /// The number, counted from 0.
        index: String,
    },
    /// A tag format is invalid.
    #[error("`tag-format` is invalid: {why}")]
    TagFormat {
        /// Why it is invalid.
        why: String,
    },
    /// A tag format has a placeholder other than `{spec_hash}`.
    #[error("`tag-format` has the unknown placeholder `{{{name}}}`")]
    UnknownPlaceholder {
        /// Name of the placeholder.
        name: String,
    },
}

impl Error {
    /// How to fix it.
    pub fn help(&self) -> Vec<String> {
        let help = match self {
            Self::BadPattern { .. } => "write the range in brackets from low to high",
            Self::BadRegistry { .. } => {
                "write a host, a port if it has one, and a path: `localhost:30000`, `ghcr.io/name`"
            }
            Self::CopyWithoutRoot { .. } => "add `source-root`, or set `source-copy-mode \"none\"`",
            Self::Files(error) => return error.help(),
            Self::Git { .. } => {
                "install git, or repair the repository: the tag depends on this list"
            }
            Self::LoadedModules => {
                "set `source-copy-mode \"all\"`, both here and in the Python code"
            }
            Self::NotDict { .. } => "write names with values",
            Self::NotList { .. } => "write a list, even for a single string",
            Self::NumberedPlaceholder { .. } | Self::UnknownPlaceholder { .. } => {
                "the only placeholder is `{spec_hash}`"
            }
            Self::TagFormat { .. } => "write `{spec_hash}`, or `{spec_hash:.8}` for a shorter one",
        };
        vec![help.to_owned()]
    }
}
