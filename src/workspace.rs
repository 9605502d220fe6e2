//! The images of a repository with their places in the manifests: the result of reading manifests.
//!
//! Each image has a map from fields to places, so that later stages (graph, file checks, backends) can point at the manifest
//! without knowing its syntax.

mod allows;
mod groups;
mod locked;
mod names;
mod places;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Sources};
use crate::spec::{ImageSpec, WorkspacePath};
pub use locked::{
    DebianField, ImageDebs, ImagePackages, Lock, Locked, LockedDeb, LockedImage, LockedWheel,
    PlatformDebs, PlatformPackages, StepPackages, debs_of,
};

pub use allows::{Allow, Allows};
pub use groups::Group;
pub(crate) use names::{DeclaredName, Meaning, NamedImage, Names, Origin};
pub(crate) use places::Part;
pub use places::Places;

/// The directory inside the workspace that contains records, logs and build contexts.
pub const STATE_FOLDER: &str = ".imgspec";

/// The file beside the root manifest that pins outside images and Python packages.
pub const LOCK_FILE: &str = "imgspec.lock";

/// The root manifest and everything that it includes.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// Absolute path of the root manifest's directory.
    pub root: PathBuf,
    /// The images, in manifest order.
    pub images: Vec<Image>,
    /// The groups, in manifest order, as they are written.
    pub groups: Vec<Group>,
    /// Resolved paths of all manifests, the root's included, even those that cannot be read.
    pub manifests: BTreeSet<WorkspacePath>,
    /// The texts of the manifests.
    pub sources: Sources,
    /// Where includes were searched for.
    pub looked: Looked,
    /// Lints allowed by the manifests.
    pub allows: Allows,
    /// The builder of buildx that the root manifest names.
    pub builder_instance: Option<String>,
    /// Pinned outside images and packages; `None` without a lock file.
    pub lock: Option<Lock>,
}

/// A workspace as loaded, with all problems found so far.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Complete only if no diagnostic is an error. Its sources are always complete, so that diagnostics can be rendered.
    pub workspace: Workspace,
    /// Errors and warnings, in source order.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether everything could be read. If not, items that seem missing may be in an unreadable part.
    pub is_whole: bool,
}

/// Where includes were searched for: changes there can add or remove manifests. All paths are absolute.
#[derive(Debug, Clone, Default)]
pub struct Looked {
    /// Directories whose entries were matched against a glob.
    pub folders: BTreeSet<PathBuf>,
    /// Files that are manifests, or would be if they existed.
    pub files: BTreeSet<PathBuf>,
}

/// One image of the workspace.
#[derive(Debug, Clone)]
pub struct Image {
    /// Id, unique in the workspace.
    pub id: String,
    /// The image's specification; boxed, because lists of images are moved as they grow.
    pub spec: Box<ImageSpec>,
    /// The directory of the manifest that declares the image, whose `.dockerignore` applies.
    pub folder: WorkspacePath,
    /// The places of its fields.
    pub places: Places,
    /// Indexes of the `allow` nodes in [`Workspace::allows`] that apply, innermost first.
    pub allows: Vec<usize>,
}
