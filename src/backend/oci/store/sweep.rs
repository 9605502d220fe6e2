//! Removal from a store that nobody is using.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::path::Path;
use std::time::SystemTime;

use super::blobs::{BLOBS, CACHES, LOCK, NOTES, Store, TOOLS, TREES, TURNS, UNFINISHED, WORKING};
use super::caches::{self, CacheUsage};
use super::error::StoreError;
use super::trees::{self, TreeUsage};
use super::{checked, left, notes, tools};
use crate::backend::oci::name::Digest;
use crate::disk::dir::{Dir, Rooted, Share};
use crate::disk::{FileKind, cache};

/// A store that is locked for removal.
#[derive(Debug)]
pub(in crate::backend) struct Sweep {
    blobs: Option<Dir>,
    notes: Option<Dir>,
    trees: Option<Dir>,
    caches: Option<Dir>,
    tools: Option<Dir>,
    _alone: Option<File>,
}

/// The size and the last use of something in a store.
#[derive(Debug, Clone, Copy)]
pub(in crate::backend) struct Usage {
    pub(in crate::backend) size: u64,
    pub(in crate::backend) used: SystemTime,
    /// Whether a blob is not what it is called.
    pub(in crate::backend) is_damaged: bool,
}

impl Usage {
    fn new(meta: &Metadata, used: SystemTime) -> Self {
        Self {
            size: meta.len(),
            used,
            is_damaged: false,
        }
    }
}

impl Store {
    /// Removes all blobs of the store in this directory and returns their number; `None` if the store is in use,
    /// because a run may be about to name blobs that have no name yet. In a store whose names belong to runs, no blob is
    /// needed without a run.
    pub fn prune(folder: &Path) -> Result<Option<usize>, StoreError> {
        Self::prune_at(&cache::below(folder))
    }

    /// Prunes a store in a directory that must not be reached through links.
    pub(crate) fn prune_at(place: &Rooted) -> Result<Option<usize>, StoreError> {
        match Sweep::begin(place)? {
            None => Ok(None),
            Some(sweep) => sweep.remove_all().map(Some),
        }
    }
}

impl Sweep {
    /// Locks the store in this directory, and removes what killed processes left; `None` if it is in use. A store that does
    /// not exist is empty.
    pub(in crate::backend) fn begin(place: &Rooted) -> Result<Option<Self>, StoreError> {
        let Some(folder) = place.open()? else {
            return Ok(Some(Self {
                blobs: None,
                notes: None,
                trees: None,
                caches: None,
                tools: None,
                _alone: None,
            }));
        };
        let Some(alone) = folder.try_lock(LOCK, Share::Nobody)? else {
            return Ok(None);
        };
        for name in [UNFINISHED, TURNS] {
            if let Some(found) = folder.open(name)? {
                left::remove_files(&found)?;
            }
        }
        if let Some(found) = folder.open(WORKING)? {
            left::remove_directories(&found.lent()?)?;
        }
        Ok(Some(Self {
            blobs: folder.open_all(BLOBS)?,
            notes: folder.open(NOTES)?,
            trees: folder.open(TREES)?,
            caches: folder.open(CACHES)?,
            tools: folder.open(TOOLS)?,
            _alone: Some(alone),
        }))
    }

    /// A small blob, if it is there and whole.
    pub(in crate::backend) fn read(&self, digest: Digest, largest: u64) -> Option<Vec<u8>> {
        let bytes = self.blobs.as_ref()?.read(digest.hex(), largest).ok()??;
        (Digest::of(&bytes) == digest).then_some(bytes)
    }

    /// All notes, by name.
    pub(in crate::backend) fn notes(&self) -> Result<BTreeMap<String, Usage>, StoreError> {
        let mut notes = BTreeMap::new();
        each_file(self.notes.as_ref(), |name, _, meta| {
            let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            notes.insert(name, Usage::new(meta, used));
            Ok(())
        })?;
        Ok(notes)
    }

    /// All blobs. One that was changed since it was written is verified.
    pub(in crate::backend) fn blobs(&self) -> Result<BTreeMap<Digest, Usage>, StoreError> {
        let mut blobs = BTreeMap::new();
        each_file(self.blobs.as_ref(), |name, file, meta| {
            if let Some(digest) = Digest::read(&format!("sha256:{name}")) {
                let used = meta.accessed().unwrap_or(SystemTime::UNIX_EPOCH);
                let is_damaged = !checked::is_whole(digest, file, meta)?;
                let usage = Usage::new(meta, used);
                blobs.insert(
                    digest,
                    Usage {
                        is_damaged,
                        ..usage
                    },
                );
            }
            Ok(())
        })?;
        Ok(blobs)
    }

    pub(in crate::backend) fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self
            .notes
            .as_ref()
            .map(|notes| notes.file(name))
            .transpose()?;
        Ok(found
            .flatten()
            .and_then(|(file, meta)| notes::whole(&file, &meta)))
    }

    pub(in crate::backend) fn remove_note(&self, name: &str) -> Result<(), StoreError> {
        match &self.notes {
            Some(notes) => Ok(notes.remove_file(name)?),
            None => Ok(()),
        }
    }

    pub(in crate::backend) fn remove_blob(&self, digest: Digest) -> Result<(), StoreError> {
        match &self.blobs {
            Some(blobs) => Ok(blobs.remove_file(digest.hex())?),
            None => Ok(()),
        }
    }

    /// All unpacked layers.
    pub(in crate::backend) fn trees(&self) -> Result<Vec<TreeUsage>, StoreError> {
        match &self.trees {
            Some(trees) => Ok(trees::list(trees, &left::boot())?),
            None => Ok(Vec::new()),
        }
    }

    pub(in crate::backend) fn remove_tree(&self, tree: &TreeUsage) -> Result<(), StoreError> {
        let place = self.trees.as_ref().map(|trees| trees.open(&tree.kind));
        if let Some(place) = place.transpose()?.flatten() {
            left::remove(&place.lent()?, &tree.layer.hex())?;
        }
        Ok(())
    }

    /// All caches of programs, and the programs that help with what they keep.
    pub(in crate::backend) fn caches(&self) -> Result<Vec<CacheUsage>, StoreError> {
        let caches = self.caches.as_ref().map(caches::list).transpose()?;
        let tools = self.tools.as_ref().map(tools::list).transpose()?;
        Ok(caches.into_iter().chain(tools).flatten().collect())
    }

    pub(in crate::backend) fn remove_cache(&self, cache: &CacheUsage) -> Result<(), StoreError> {
        match (cache.is_tool, &self.caches, &self.tools) {
            (false, Some(caches), _) => Ok(caches::remove(caches, &cache.name)?),
            (true, _, Some(tools)) => Ok(tools::remove(tools, &cache.name)?),
            _ => Ok(()),
        }
    }

    /// Removes all blobs; returns how many.
    fn remove_all(&self) -> Result<usize, StoreError> {
        let Some(blobs) = &self.blobs else {
            return Ok(0);
        };
        let entries = blobs.entries()?;
        for entry in &entries {
            blobs.remove_file(&entry.name)?;
        }
        Ok(entries.len())
    }
}

/// Looks at each file of a directory. One is open at a time: a store has more than a process may have open.
fn each_file(
    folder: Option<&Dir>,
    mut look: impl FnMut(String, &File, &Metadata) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let Some(folder) = folder else {
        return Ok(());
    };
    for entry in folder.entries()? {
        if let (FileKind::File, Ok(name)) = (entry.kind, entry.name.into_string())
            && let Some((file, meta)) = folder.file(&name)?
        {
            look(name, &file, &meta)?;
        }
    }
    Ok(())
}
