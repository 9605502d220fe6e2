//! Why there is no id, tag or name: data in fields, words in `Display`.
//!
//! Flytekit's meaning in this program's words; what is wrong with a file is said as for any other file of the workspace.

use crate::fingerprint::FilesError;

/// Why there is no id, tag or name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line of a `.dockerignore` is not a pattern to docker-py, whose rules flytekit follows.
    #[error("`{text}` in `{file}` is not a pattern: {why}")]
    BadPattern {
        /// The file, from the workspace root.
        file: String,
        /// What the line says.
        text: String,
        /// Why it is not a pattern.
        why: String,
    },
    /// flytekit refuses the registry.
    #[error("`{registry}` is not a registry to flytekit")]
    BadRegistry {
        /// The registry, in lower case.
        registry: String,
    },
    /// Sources are to be copied, but it is not said from where.
    #[error("`{name}` copies sources but has no `source-root`")]
    CopyWithoutRoot {
        /// The name of the image.
        name: String,
    },
    /// What is wrong with a file or directory.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Git does not tell what it ignores.
    #[error("git does not tell what it ignores in `{folder}`: {why}")]
    Git {
        /// The directory, from the workspace root.
        folder: String,
        /// Why.
        why: String,
    },
    /// Which modules a process has loaded is known to that process only.
    #[error("`loaded-modules` means the modules of a running Python process, and there is none")]
    LoadedModules,
    /// A field does not hold a mapping.
    #[error("`{field}` is not a mapping")]
    NotDict {
        /// The field, as flytekit calls it.
        field: String,
    },
    /// A field does not hold a list of texts.
    #[error("`{field}` is not a list of texts")]
    NotList {
        /// The field, as flytekit calls it.
        field: String,
    },
    /// A tag format has a field without a name, or with a number for it.
    #[error("`tag-format` has a placeholder without a name, or with the number {index} for one")]
    NumberedPlaceholder {
        /// Its number, counted from 0.
        index: String,
    },
    /// A tag format cannot be read.
    #[error("`tag-format` is wrong: {why}")]
    TagFormat {
        /// What is wrong.
        why: String,
    },
    /// A tag format has a placeholder that is not `{spec_hash}`.
    #[error("`tag-format` has the unknown placeholder `{{{name}}}`")]
    UnknownPlaceholder {
        /// Its name.
        name: String,
    },
}

impl Error {
    /// What to do about it.
    pub fn help(&self) -> Vec<String> {
        let help = match self {
            Self::BadPattern { .. } => "write the range in brackets from low to high",
            Self::BadRegistry { .. } => {
                "write a host, a port if it has one, and a path: `localhost:30000`, `ghcr.io/name`"
            }
            Self::CopyWithoutRoot { .. } => "add `source-root`, or say `source-copy-mode \"none\"`",
            Self::Files(error) => return error.help(),
            Self::Git { .. } => {
                "install git, or mend the repository: the tag depends on its answer"
            }
            Self::LoadedModules => {
                "say `source-copy-mode \"all\"`, here and in the Python code, for the two to agree"
            }
            Self::NotDict { .. } => "give names with values",
            Self::NotList { .. } => "give a list, even of one text",
            Self::NumberedPlaceholder { .. } | Self::UnknownPlaceholder { .. } => {
                "the one placeholder is `{spec_hash}`"
            }
            Self::TagFormat { .. } => "write `{spec_hash}`, or `{spec_hash:.8}` for a shorter one",
        };
        vec![help.to_owned()]
    }
}
