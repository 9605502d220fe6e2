//! The data model of `imgspec.lock`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The content of a lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Locked images, by the reference used in manifests and Dockerfiles.
    pub bases: BTreeMap<String, Locked>,
    /// Locked Python packages, by the id of the image that installs them.
    pub packages: BTreeMap<String, ImagePackages>,
    /// Locked Debian packages, by the id of the image that installs them.
    pub debian: BTreeMap<String, ImageDebs>,
}

/// The locked packages of one image, by step: 1 for the first of its steps that installs Python packages.
pub type ImagePackages = BTreeMap<usize, Arc<StepPackages>>;

/// The locked Debian packages of one image, by the field that they are for.
pub type ImageDebs = BTreeMap<DebianField, Arc<StepPackages<PlatformDebs>>>;

/// The locked packages of one step, of one kind on each platform: Python's unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPackages<P = PlatformPackages> {
    /// Digest of everything in the manifest and its files that the packages were resolved from.
    pub inputs: String,
    /// What is installed on each platform.
    pub platforms: BTreeMap<String, P>,
}

/// A field of an image that Debian packages are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DebianField {
    /// A base that is made of them.
    Base,
    /// Those that are installed on a base.
    Apt,
}

/// The locked Debian packages of one field on one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformDebs {
    /// Digest of what they were resolved on: the outside image, or the locked lists beneath; `None` if there is neither.
    pub base: Option<String>,
    /// The packages, sorted by name.
    pub debs: Vec<LockedDeb>,
}

/// A locked Debian package: one file, whoever serves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedDeb {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Debian's name of the architecture, or `all`.
    pub architecture: String,
    /// Digest of the file, `sha256:…`.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
    /// Where it was found, without credentials: the archive, and the file in it.
    pub url: String,
    /// Whether the manifest names it, rather than another package.
    pub is_requested: bool,
}

/// The locked packages of one step on one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformPackages {
    /// The Python and the C library that they were resolved for.
    pub target: String,
    /// Digest of the outside image that this Python is in; `None` if it is not in one, or if that is not locked.
    pub base: Option<String>,
    /// The packages, sorted by name.
    pub wheels: Vec<LockedWheel>,
}

impl LockedDeb {
    /// The largest package, in bytes.
    pub const LARGEST: u64 = 8 << 30;
}

impl DebianField {
    /// Its name in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base-image",
            Self::Apt => "apt-packages",
        }
    }

    /// The field with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut all = [Self::Base, Self::Apt].into_iter();
        all.find(|field| field.name() == name)
    }
}

/// A locked Python package: one file, whoever serves it. A wheel, or else the sources that one is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockedWheel {
    /// The name of the project, normalized as in PEP 503.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The name of the file.
    pub file: String,
    /// Digest of the file, `sha256:…`.
    pub sha256: String,
    /// Its size in bytes, if the index told it.
    pub size: Option<u64>,
    /// Where it was found, without credentials.
    pub url: String,
    /// Whether the manifest names it, rather than another package.
    pub is_requested: bool,
}

/// A locked outside image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The image as a whole, independent of platform.
    pub image: LockedImage,
    /// Manifest digests by platform; platforms that are not needed are absent.
    pub platforms: BTreeMap<String, String>,
}

/// The identifier by which a locked image is found again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockedImage {
    /// Digest that the tag had in its registry: that of an index or of a single manifest.
    Digest(String),
    /// Id of an image that exists in no registry, only in the local store.
    Id(String),
}

impl LockedImage {
    /// The digest or id.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Digest(text) | Self::Id(text) => text,
        }
    }
}

impl Lock {
    /// The number of locked packages; a version that several images install counts once.
    #[must_use]
    pub fn package_count(&self) -> usize {
        let steps = self.packages.values().flat_map(BTreeMap::values);
        let platforms = steps.flat_map(|step| step.platforms.values());
        let wheels = platforms.flat_map(|platform| &platform.wheels);
        let versions: BTreeSet<(&str, &str)> = wheels
            .map(|wheel| (wheel.name.as_str(), wheel.version.as_str()))
            .collect();
        let debs = self.debian.values().flat_map(debs_of);
        let debs: BTreeSet<(&str, &str)> = debs
            .map(|deb| (deb.name.as_str(), deb.version.as_str()))
            .collect();
        versions.len() + debs.len()
    }
}

/// All Debian packages of an image, on whatever platform.
pub fn debs_of(image: &ImageDebs) -> impl Iterator<Item = &LockedDeb> {
    let platforms = image.values().flat_map(|step| step.platforms.values());
    platforms.flat_map(|platform| &platform.debs)
}

impl Locked {
    /// The digest or id of the image for a platform.
    #[must_use]
    pub fn on(&self, platform: &str) -> Option<&str> {
        match &self.image {
            LockedImage::Digest(_) => self.platforms.get(platform).map(String::as_str),
            LockedImage::Id(id) => Some(id),
        }
    }

    /// Returns those of the `wanted` platforms that have no digest.
    pub fn missing<'a>(&'a self, wanted: &'a [String]) -> impl Iterator<Item = &'a str> {
        let wanted = wanted.iter().map(String::as_str);
        wanted.filter(|platform| !self.platforms.contains_key(*platform))
    }
}
