//! What a backend is asked about packages that are to be locked, and its answers.

use std::path::Path;

use crate::fingerprint::Files;
use crate::recipe::{DebianOf, Pip, PythonOf, Recipe};
use crate::workspace::{LockedDeb, LockedImage, LockedWheel, PlatformDebs, PlatformPackages};

/// The endings of source distributions that can be unpacked.
const SOURCES: [&str; 6] = [".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2", ".zip"];

/// The name of a source distribution without its ending: `foo-1.0` of `foo-1.0.tar.gz`. `None` if it is not named like one.
pub(crate) fn sources_stem(file: &str) -> Option<&str> {
    let stem = SOURCES
        .iter()
        .find_map(|ending| file.strip_suffix(ending))?;
    let is_fine = |char: char| char.is_ascii_alphanumeric() || "._-+!".contains(char);
    let begins = stem.starts_with(|char: char| char.is_ascii_alphanumeric());
    (begins && stem.chars().all(is_fine)).then_some(stem)
}

/// A step whose packages are to be locked for one platform.
#[derive(Clone)]
pub struct Requested<'a> {
    /// Id of the image.
    pub image: &'a str,
    /// The recipe of the image.
    pub recipe: &'a Recipe,
    /// The step.
    pub pip: &'a Pip,
    /// The files of its requirements.
    pub files: Option<&'a Files>,
    /// The platform.
    pub platform: &'a str,
    /// The Python that the packages are for.
    pub python: PythonOf<'a>,
    /// What the lock has of the outside image of this Python.
    pub outside: Option<&'a LockedImage>,
    /// The files that this Python is in, if they are in the workspace.
    pub base_files: Option<&'a Files>,
    /// What is locked of the Debian packages that this Python comes with, the lowest first; `None` if that is not all of them.
    pub debian: Option<&'a [&'a PlatformDebs]>,
    /// The workspace root, absolute.
    pub root: &'a Path,
    /// What is locked for the same requirements: the answer, if the Python and the C library are still the same.
    pub kept: Option<&'a PlatformPackages>,
    /// Locked packages whose versions are preferred.
    pub preferred: &'a [LockedWheel],
}

/// The packages of a step on a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The Python and the C library that they are for.
    pub target: String,
    /// The packages, sorted by name.
    pub wheels: Vec<LockedWheel>,
    /// What had to be assumed.
    pub remark: Option<String>,
}

/// Debian packages that are to be locked for one platform.
#[derive(Clone)]
pub struct RequestedDebs<'a> {
    /// The recipe of the image.
    pub recipe: &'a Recipe,
    /// The packages, and what is below them.
    pub of: &'a DebianOf<'a>,
    /// The platform.
    pub platform: &'a str,
    /// What the lock has of the outside image below.
    pub outside: Option<&'a LockedImage>,
    /// The files below, if they are in the workspace.
    pub base_files: Option<&'a Files>,
    /// What is locked of each of the lists below, in the same order.
    pub below: Vec<&'a PlatformDebs>,
    /// Locked packages whose versions are preferred.
    pub preferred: &'a [LockedDeb],
}

/// Why packages are not locked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// No lock can have them: only a build shows which Python they are for.
    #[error("{0}")]
    Unknowable(String),
    /// No lock can have them: one has only sources, and only its build shows what it needs.
    #[error("{0}")]
    Unbuilt(String),
    /// They could not be resolved.
    #[error("{0}")]
    Failed(String),
}
