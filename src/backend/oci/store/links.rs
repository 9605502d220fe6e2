//! The names of manifests: (repository, tag) → digest, and which manifests a repository has.
//!
//! They last as long as one exchange, and so are kept in memory: nothing of them can be left behind.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::blobs::Store;
use super::error::StoreError;
use crate::backend::oci::name::{Digest, Repository, Tag, Version};

/// A manifest that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
}

/// The names of manifests.
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
    /// No names yet, for what is in this store.
    pub fn new(store: &Store) -> Self {
        Self {
            store: store.clone(),
            repositories: Mutex::default(),
        }
    }

    /// Gives a repository a manifest, which must be in the store.
    pub fn add(&self, to: &Repository, manifest: &Stored) -> Result<(), StoreError> {
        self.name(to, None, manifest)
    }

    /// Lets a tag stand for a manifest, which the repository gets with it.
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

    /// A manifest of a repository; none if the repository does not have it.
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
        // Somebody may have emptied the directory meanwhile.
        Ok(self.store.size(found.digest)?.map(|_| found))
    }

    /// The tags of a repository, sorted; none if the repository does not exist.
    pub fn tags(&self, of: &Repository) -> Option<Vec<Tag>> {
        let repositories = self.repositories.lock();
        Some(repositories.get(of)?.tags.keys().cloned().collect())
    }
}
