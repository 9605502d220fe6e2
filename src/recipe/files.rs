//! Which files of the workspace a step reads, and by whose ignore rules. Plain data.

use crate::spec::WorkspacePath;

/// Files of the workspace that a step reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileSet {
    /// A file, or a folder with all that is in it after ignore rules.
    Tree {
        /// The file or folder.
        path: WorkspacePath,
        /// The folder whose `.dockerignore` applies.
        ignore: WorkspacePath,
    },
    /// A requirements file and the files that its `-r` and `-c` lines name, and theirs.
    Requirements {
        /// The first file.
        path: WorkspacePath,
    },
    /// A lock file or project file; with `uv.lock` and `poetry.lock` the `pyproject.toml` beside it.
    Project {
        /// The file.
        path: WorkspacePath,
    },
    /// A folder of sources by flytekit's ignore rules.
    Source {
        /// The folder.
        path: WorkspacePath,
    },
    /// One file, whatever ignore rules say.
    File {
        /// The file.
        path: WorkspacePath,
    },
    /// The folder that a Dockerfile copies from: the ignore file is the one beside it that bears its name
    /// (`Dockerfile.dockerignore`), else the folder's own.
    Context {
        /// The folder.
        path: WorkspacePath,
        /// The Dockerfile.
        dockerfile: WorkspacePath,
    },
}

impl FileSet {
    /// The file or folder that the set begins with.
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
