//! What manifests are called: (repository, tag) → digest, and which manifests a repository has.
//!
//! The choices made: a link is a small file, replaced by a rename, so that readers and writers need no lock; those of a run are a
//! folder of its own that goes when the run does, so that runs neither see nor remove what others serve.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error::{at, is_absent};
use super::{Store, StoreError, make_folder, owned};
use crate::backend::oci::name::{Digest, Repository, Tag, Version};

/// The folder of the links of runs.
pub(super) const RUNS: &str = "runs";

const TAGS: &str = "tags";
const MANIFESTS: &str = "manifests";

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
    folder: PathBuf,
}

/// The names that one run gives; gone when dropped.
#[derive(Debug)]
pub struct Run {
    links: Links,
    owner: NamedTempFile,
}

impl Store {
    /// New names, which nobody else sees.
    ///
    /// # Errors
    /// When their folder cannot be made.
    pub fn run(&self) -> Result<Run, StoreError> {
        let owner = owned::create(&self.folder().join(RUNS), owned::OWNER)?;
        let folder = owner.path().with_extension("");
        make_folder(&folder)?;
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
        let _ = std::fs::remove_dir_all(self.owner.path().with_extension(""));
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

    /// The manifest of a repository that is asked for; none if the repository does not have it.
    ///
    /// # Errors
    /// When nobody can say.
    pub fn find(&self, of: &Repository, version: &Version) -> Result<Option<Stored>, StoreError> {
        let digest = match version {
            Version::Digest(digest) => Some(*digest),
            Version::Tag(tag) => read(&self.of(of).join(TAGS).join(tag.as_str()))?
                .as_deref()
                .and_then(Digest::read),
        };
        let Some(digest) = digest else {
            return Ok(None);
        };
        let link = self.of(of).join(MANIFESTS).join(digest.hex());
        let Some(media_type) = read(&link)? else {
            return Ok(None);
        };
        // After a power cut a link may be there without its blob.
        let stored = Stored { digest, media_type };
        Ok(self.store.size(digest)?.map(|_| stored))
    }

    /// The tags of a repository, sorted; none if there is no such repository.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn tags(&self, of: &Repository) -> Result<Option<Vec<Tag>>, StoreError> {
        if !self.of(of).is_dir() {
            return Ok(None);
        }
        let names = names(&self.of(of).join(TAGS))?;
        Ok(Some(
            names.iter().filter_map(|name| Tag::read(name)).collect(),
        ))
    }

    fn of(&self, repository: &Repository) -> PathBuf {
        // One folder each: `a` and `a/tags` must not meet. No name has a plus in it.
        self.folder.join(repository.as_str().replace('/', "+"))
    }

    fn write(&self, to: &Repository, kind: &str, name: &str, text: &str) -> Result<(), StoreError> {
        let folder = self.of(to).join(kind);
        make_folder(&folder)?;
        let path = folder.join(name);
        let unfinished = self.store.folder().join(owned::UNFINISHED);
        let mut file = owned::create(&unfinished, "")?;
        file.write_all(text.as_bytes()).map_err(at(&path))?;
        let moved = file.persist(&path);
        moved.map(drop).map_err(|error| at(&path)(error.error))
    }
}

/// The names in a folder, sorted; nothing if there is no such folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(at(folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(at(folder))?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<Option<String>, StoreError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}
