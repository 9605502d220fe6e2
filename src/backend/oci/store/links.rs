//! The names of manifests: (repository, tag) → digest, and which manifests a repository has.
//!
//! A link is a small file, replaced by a rename, so readers and writers need no lock; those of a run are in a directory of its
//! own that is removed with the run, so runs neither see nor remove what others serve.

use super::blobs::Store;
use super::error::StoreError;
use super::owned;
use crate::backend::oci::name::{Digest, Repository, Tag, Version};
use crate::disk::dir::{Dir, Fresh};

const TAGS: &str = "tags";
const MANIFESTS: &str = "manifests";

/// Longer than any digest or media type.
const LARGEST: u64 = 4096;

/// A manifest that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
}

/// Names of manifests.
#[derive(Debug, Clone)]
pub struct Links {
    store: Store,
    folder: Dir,
}

/// The names that one run gives; removed when it is dropped.
#[derive(Debug)]
pub struct Run {
    links: Links,
    owner: Fresh,
}

impl Store {
    /// A new set of names, which nobody else sees.
    ///
    /// # Errors
    /// When their directory cannot be made.
    pub fn run(&self) -> Result<Run, StoreError> {
        let owner = owned::create(&self.0.runs, owned::OWNER)?;
        let folder = self.0.runs.make(owned::folder_of(owner.name()))?;
        let store = self.clone();
        let links = Links { store, folder };
        Ok(Run { links, owner })
    }
}

impl Run {
    /// Its names.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // What stays is swept later, once `owner` is closed.
        let runs = &self.links.store.0.runs;
        let _ = runs.remove(owned::folder_of(self.owner.name()));
    }
}

impl Links {
    /// Lets a repository have a manifest, which is in the store.
    ///
    /// # Errors
    /// When it is not there, or the link cannot be written.
    pub fn add(&self, to: &Repository, manifest: &Stored) -> Result<(), StoreError> {
        let digest = manifest.digest;
        if self.store.size(digest)?.is_none() {
            return Err(StoreError::Unknown(digest));
        }
        self.write(to, MANIFESTS, &digest.hex(), &manifest.media_type)
    }

    /// Lets a tag stand for a manifest, which the repository gets with it.
    ///
    /// # Errors
    /// When the manifest is not there, or a link cannot be written.
    pub fn tag(&self, to: &Repository, tag: &Tag, manifest: &Stored) -> Result<(), StoreError> {
        self.add(to, manifest)?;
        self.write(to, TAGS, tag.as_str(), &manifest.digest.to_string())
    }

    /// A manifest of a repository; none if the repository does not have it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find(&self, of: &Repository, version: &Version) -> Result<Option<Stored>, StoreError> {
        let digest = match version {
            Version::Digest(digest) => Some(*digest),
            Version::Tag(tag) => self
                .read(of, TAGS, tag.as_str())?
                .as_deref()
                .and_then(Digest::read),
        };
        let Some(digest) = digest else {
            return Ok(None);
        };
        let Some(media_type) = self.read(of, MANIFESTS, &digest.hex())? else {
            return Ok(None);
        };
        // After a power cut a link may be there without its blob.
        let stored = Stored { digest, media_type };
        Ok(self.store.size(digest)?.map(|_| stored))
    }

    /// The tags of a repository, sorted; none if the repository does not exist.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn tags(&self, of: &Repository) -> Result<Option<Vec<Tag>>, StoreError> {
        let Some(own) = self.folder.open(folder_name(of))? else {
            return Ok(None);
        };
        let entries = match own.open(TAGS)? {
            Some(tags) => tags.entries()?,
            None => Vec::new(),
        };
        let names = entries.iter().filter_map(|entry| entry.name.to_str());
        Ok(Some(names.filter_map(Tag::read).collect()))
    }

    fn write(&self, to: &Repository, kind: &str, name: &str, text: &str) -> Result<(), StoreError> {
        let folder = self.folder.make(folder_name(to))?.make(kind)?;
        let mut file = owned::create(&self.store.0.unfinished, "")?;
        file.write(text.as_bytes())?;
        Ok(file.keep(&folder, name)?)
    }

    fn read(&self, of: &Repository, kind: &str, name: &str) -> Result<Option<String>, StoreError> {
        let own = self.folder.open(folder_name(of))?;
        let Some(folder) = own.and_then(|own| own.open(kind).transpose()).transpose()? else {
            return Ok(None);
        };
        let bytes = folder.read(name, LARGEST)?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }
}

/// One directory for each repository: `a` and `a/tags` must not meet. No name has a plus in it.
fn folder_name(repository: &Repository) -> String {
    repository.as_str().replace('/', "+")
}
