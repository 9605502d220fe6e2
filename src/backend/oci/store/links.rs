//! The names of manifests: maps (repository, tag) to digest, and records which manifests a repository has.
//!
//! Names exist only for the lifetime of an exchange, so they are stored in memory and cannot be left behind.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::blobs::Store;
use super::error::StoreError;
use crate::backend::oci::name::{Digest, Repository, Tag, Version};

/// A manifest in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The manifest's digest.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
}

/// The names of manifests in a store.
#[derive(Debug)]
pub struct Links {
    store: Store,
    repositories: Mutex<BTreeMap<Repository, Names>>,
}

#[derive(Debug, Default)]
struct Names {
    media_types: BTreeMap<Digest, String>,
    tags: BTreeMap<Tag, Digest>,
}

impl Links {
    /// Creates an empty set of names for this store.
    pub fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            repositories: Mutex::default(),
        }
    }

    /// Adds a manifest, which must be in the store, to a repository.
    pub fn add(&self, to: &Repository, manifest: &Stored) -> Result<(), StoreError> {
        self.name(to, None, manifest)
    }

    /// Points a tag to a manifest, and adds the manifest to the repository.
    pub fn tag(&self, to: &Repository, tag: &Tag, manifest: &Stored) -> Result<(), StoreError> {
        self.name(to, Some(tag), manifest)
    }

    fn name(&self, to: &Repository, tag: Option<&Tag>, of: &Stored) -> Result<(), StoreError> {
        if self.store.size(of.digest)?.is_none() {
            return Err(StoreError::Unknown(of.digest));
        }
        let mut repositories = self.repositories.lock();
        let names = repositories.entry(to.clone()).or_default();
        names.media_types.insert(of.digest, of.media_type.clone());
        names.tags.extend(tag.map(|tag| (tag.clone(), of.digest)));
        Ok(())
    }

    /// Finds a manifest of a repository; `None` if the repository does not have it.
    pub fn find(&self, of: &Repository, version: &Version) -> Result<Option<Stored>, StoreError> {
        let find = || {
            let repositories = self.repositories.lock();
            let names = repositories.get(of)?;
            let digest = match version {
                Version::Digest(digest) => *digest,
                Version::Tag(tag) => *names.tags.get(tag)?,
            };
            let media_type = names.media_types.get(&digest)?.clone();
            Some(Stored { digest, media_type })
        };
        let Some(found) = find() else { return Ok(None) };
        // The blob may have been removed from the directory in the meantime.
        Ok(self.store.size(found.digest)?.map(|_| found))
    }

    /// The tags of a repository, sorted; `None` if the repository does not exist.
    pub fn tags(&self, of: &Repository) -> Option<Vec<Tag>> {
        let repositories = self.repositories.lock();
        Some(repositories.get(of)?.tags.keys().cloned().collect())
    }
}
