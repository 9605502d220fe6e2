//! What outside images are, as `imgspec.lock` says it. Data only.

use std::collections::BTreeMap;

/// The content of the lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// What outside images are, by the names that manifests and Dockerfiles give them.
    pub bases: BTreeMap<String, Locked>,
}

/// What one outside image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The image itself, whatever its platforms.
    pub image: LockedImage,
    /// The digest of its manifest for each platform; none for a platform that was not asked for.
    pub platforms: BTreeMap<String, String>,
}

/// By what an image is found that is to be the same one next time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockedImage {
    /// The digest of what the tag named in its registry: of an index, or of the one manifest.
    Digest(String),
    /// The id of an image that no registry has: only this machine's local store.
    Id(String),
}

impl LockedImage {
    /// The digest or the id.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Digest(text) | Self::Id(text) => text,
        }
    }
}

impl Locked {
    /// The platforms, of those that are wanted, that it says nothing of.
    pub fn missing<'a>(&'a self, wanted: &'a [String]) -> impl Iterator<Item = &'a str> {
        let wanted = wanted.iter().map(String::as_str);
        wanted.filter(|platform| !self.platforms.contains_key(*platform))
    }
}
