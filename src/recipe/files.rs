//! The workspace files that a step reads, and the ignore rules that apply to them.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::spec::WorkspacePath;
use crate::workspace::STATE_FOLDER;

/// A set of workspace files that a step reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileSet {
    /// A file, or a directory with all of its files that are not ignored.
    Tree {
        /// The file or directory.
        path: WorkspacePath,
        /// The directory whose `.dockerignore` applies.
        ignore: WorkspacePath,
        /// Files that are excluded by default.
        own: Own,
    },
    /// A requirements file and those that its `-r` and `-c` lines include, recursively.
    Requirements {
        /// The first file.
        path: WorkspacePath,
    },
    /// A lock file or project file; for `uv.lock` and `poetry.lock`, also the `pyproject.toml` beside it.
    Project {
        /// The file.
        path: WorkspacePath,
    },
    /// A source directory, filtered by flytekit's ignore rules, or certain files of it.
    Source {
        /// The directory.
        path: WorkspacePath,
        /// These files, relative to the directory; if empty, all.
        only: Vec<String>,
    },
    /// A single file, regardless of ignore rules.
    File {
        /// The file.
        path: WorkspacePath,
    },
    /// A file, or a directory with all of its files, regardless of ignore rules.
    Whole {
        /// The file or directory.
        path: WorkspacePath,
    },
    /// The context of a Dockerfile. The Dockerfile's own ignore file (`Dockerfile.dockerignore`) replaces that of the directory.
    Context {
        /// The directory.
        path: WorkspacePath,
        /// The Dockerfile.
        dockerfile: WorkspacePath,
        /// Files that are excluded by default.
        own: Own,
    },
}

/// Files that imgspec and git keep for themselves, excluded from file sets unless an ignore file re-includes them: `.git` and
/// `.imgspec` at any depth, and the given files. Empty for flytekit images, whose rules exclude nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own(Option<Arc<BTreeSet<WorkspacePath>>>);

impl Own {
    /// Excludes nothing.
    pub const NOTHING: Self = Self(None);

    /// Excludes `.git`, `.imgspec` and the given files.
    pub fn files(files: BTreeSet<WorkspacePath>) -> Self {
        Self(Some(Arc::new(files)))
    }

    /// Whether a path, relative to the workspace root, is excluded by default.
    pub fn has(&self, path: &str) -> bool {
        let Some(files) = &self.0 else {
            return false;
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        matches!(name, ".git" | STATE_FOLDER) || files.contains(path)
    }
}

// All sets of a workspace share one list, which may be long, so the same list is not compared with itself, and lists are not hashed.

impl Ord for Own {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) if Arc::ptr_eq(one, other) => Ordering::Equal,
            (one, other) => one.cmp(other),
        }
    }
}

impl PartialOrd for Own {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Own {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.is_some().hash(state);
    }
}

impl FileSet {
    /// The file or directory that the set starts from.
    pub fn path(&self) -> &WorkspacePath {
        match self {
            Self::Tree { path, .. }
            | Self::Requirements { path }
            | Self::Project { path }
            | Self::Source { path, .. }
            | Self::File { path }
            | Self::Whole { path }
            | Self::Context { path, .. } => path,
        }
    }
}
