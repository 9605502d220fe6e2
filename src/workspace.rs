//! All images of a repository, with where each was said: the result of reading manifests.
//!
//! An image keeps a map from field to place, so that later stages (graph, file checks, backends) can point at the manifest
//! without knowing its syntax.

mod allows;
mod locked;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Place, Sources};
use crate::spec::{ImageSpec, WorkspacePath};
pub use locked::{Lock, Locked, LockedImage};

pub use allows::{Allow, Allows};

/// The directory, inside the workspace, that holds records, logs and build contexts.
pub const STATE_FOLDER: &str = ".imgspec";

/// The file, beside the root manifest, that says what outside images are.
pub const LOCK_FILE: &str = "imgspec.lock";

/// The root manifest and all that it includes.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// The directory of the root manifest, absolute.
    pub root: PathBuf,
    /// The images, in the order of the manifests.
    pub images: Vec<Image>,
    /// The manifests, from the root: real paths, those that cannot be read too.
    pub manifests: BTreeSet<WorkspacePath>,
    /// The manifests' texts.
    pub sources: Sources,
    /// Where includes were looked for.
    pub looked: Looked,
    /// The lints that manifests allow.
    pub allows: Allows,
    /// What outside images are; none without a lock file.
    pub lock: Option<Lock>,
}

/// A workspace as it was read, with what is wrong in it so far.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Whole only when no diagnostic is an error. Its sources are always there, so that diagnostics can be drawn.
    pub workspace: Workspace,
    /// All that is wrong or doubtful, in the order of the sources.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether everything could be read; otherwise what seems missing may be in the rest.
    pub is_whole: bool,
}

/// Where includes were looked for: what comes or goes there may change which manifests there are. Absolute paths.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// Directories whose names were matched against a glob.
    pub folders: BTreeSet<PathBuf>,
    /// Files that are manifests, or would be if they were there.
    pub files: BTreeSet<PathBuf>,
}

/// One image of the workspace.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its id, unique in the workspace.
    pub id: String,
    /// What it is asked to be.
    pub spec: ImageSpec,
    /// The directory of the manifest that declares it: the home of its `.dockerignore`.
    pub folder: WorkspacePath,
    /// Where its fields were said.
    pub places: Places,
    /// What is allowed there: numbers of [`Workspace::allows`], the innermost first.
    pub allows: Vec<usize>,
}

/// Where the fields of one image were said, by the manifest's name of the field: `base-image`, or `packages[2]` for one
/// value of a list, or the empty name for the image's own head.
#[derive(Debug, Clone, Default)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    /// Notes a place.
    pub fn insert(&mut self, field: impl Into<String>, place: Place) {
        self.0.insert(field.into(), place);
    }

    /// Whether a field was said at all.
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Place)> {
        self.0.iter()
    }

    /// Where a field was said; of `packages[2]` when unknown that of `packages`, then that of the image's head.
    pub fn get(&self, field: &str) -> Option<&Place> {
        self.0
            .get(field)
            .or_else(|| self.0.get(field.split(['[', '.']).next().unwrap_or("")))
            .or_else(|| self.0.get(""))
    }
}
