//! The data model of `imgspec.lock`.

use std::collections::BTreeMap;

/// The content of a lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// Locked images, by the reference used in manifests and Dockerfiles.
    pub bases: BTreeMap<String, Locked>,
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

impl Locked {
    /// Returns those of the `wanted` platforms that have no digest.
    pub fn missing<'a>(&'a self, wanted: &'a [String]) -> impl Iterator<Item = &'a str> {
        let wanted = wanted.iter().map(String::as_str);
        wanted.filter(|platform| !self.platforms.contains_key(*platform))
    }
}
