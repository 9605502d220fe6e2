//! The files of the workspace that a step reads, and the ignore rules for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::spec::WorkspacePath;
use crate::workspace::STATE_FOLDER;

/// Files of the workspace that a step reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileSet {
    /// A file, or a directory with all of its files that are not ignored.
    Tree {
        /// The file or directory.
        path: WorkspacePath,
        /// The directory whose `.dockerignore` applies.
        ignore: WorkspacePath,
        /// What is left out unasked.
        own: Own,
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
        /// What is left out unasked.
        own: Own,
    },
}

/// What imgspec and git keep in a workspace for themselves, so that it is left out of sets unless an ignore file names it: `.git`
/// and `.imgspec` at any depth, and these files. With flytekit, whose rules these are not, nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Own(Option<Arc<BTreeSet<WorkspacePath>>>);

impl Own {
    /// Nothing is left out unasked.
    pub const NOTHING: Self = Self(None);

    /// The directories and these files are left out.
    pub fn files(files: BTreeSet<WorkspacePath>) -> Self {
        Self(Some(Arc::new(files)))
    }

    /// Whether a path from the workspace root is one of them.
    pub fn has(&self, path: &str) -> bool {
        let Some(files) = &self.0 else {
            return false;
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        matches!(name, ".git" | STATE_FOLDER) || files.contains(path)
    }
}

impl FileSet {
    /// The file or directory that it starts from.
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
