//! The files of the workspace that a step reads, and the ignore rules for them. Plain data.

use crate::spec::WorkspacePath;

/// Files of the workspace that a step reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileSet {
    /// A file, or a directory with all of its files that are not ignored.
    Tree {
        /// The file or directory.
        path: WorkspacePath,
        /// The directory whose `.dockerignore` applies.
        ignore: WorkspacePath,
    },
    /// A requirements file and those that its `-r` and `-c` lines include, recursively.
    Requirements {
        /// The first file.
        path: WorkspacePath,
    },
    /// A lock file or project file; with `uv.lock` and `poetry.lock` the `pyproject.toml` beside it.
    Project {
        /// The file.
        path: WorkspacePath,
    },
    /// A directory of sources under flytekit's ignore rules.
    Source {
        /// The directory.
        path: WorkspacePath,
    },
    /// One file, whatever ignore rules say.
    File {
        /// The file.
        path: WorkspacePath,
    },
    /// The context of a Dockerfile; the `.dockerignore` of the Dockerfile (`Dockerfile.dockerignore`) replaces that of the
    /// directory.
    Context {
        /// The directory.
        path: WorkspacePath,
        /// The Dockerfile.
        dockerfile: WorkspacePath,
    },
}

impl FileSet {
    /// The file or directory that it starts from.
    #[must_use]
    pub fn path(&self) -> &WorkspacePath {
        match self {
            Self::Tree { path, .. }
            | Self::Requirements { path }
            | Self::Project { path }
            | Self::Source { path }
            | Self::File { path }
            | Self::Context { path, .. } => path,
        }
    }
}
