//! Removal from a store that nobody is using.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use super::blobs::{BLOBS, LOCK, NOTES, Store, TURNS, UNFINISHED, remove_unlocked};
use super::error::StoreError;
use super::notes;
use crate::backend::oci::name::Digest;
use crate::disk::cache;
use crate::disk::dir::{Dir, Rooted, Share};

/// A store that is locked for removal.
#[derive(Debug)]
pub(in crate::backend) struct Sweep {
    blobs: Option<Dir>,
    notes: Option<Dir>,
    _alone: Option<File>,
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
            Some(sweep) => sweep.remove_blobs(|_| false).map(Some),
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
                _alone: None,
            }));
        };
        let Some(alone) = folder.try_lock(LOCK, Share::Nobody)? else {
            return Ok(None);
        };
        for name in [UNFINISHED, TURNS] {
            if let Some(left) = folder.open(name)? {
                remove_unlocked(&left)?;
            }
        }
        Ok(Some(Self {
            blobs: folder.open_all(BLOBS)?,
            notes: folder.open(NOTES)?,
            _alone: Some(alone),
        }))
    }

    /// A small blob, if it is there and whole.
    pub(in crate::backend) fn read(&self, digest: Digest, largest: u64) -> Option<Vec<u8>> {
        let bytes = self.blobs.as_ref()?.read(digest.hex(), largest).ok()??;
        (Digest::of(&bytes) == digest).then_some(bytes)
    }

    /// The names of all notes that begin like this.
    pub(in crate::backend) fn notes(&self, start: &str) -> Result<Vec<String>, StoreError> {
        let mut names = Vec::new();
        for entry in self.notes.iter().map(Dir::entries) {
            let each = entry?.into_iter();
            let each = each.filter_map(|entry| entry.name.into_string().ok());
            names.extend(each.filter(|name| name.starts_with(start)));
        }
        Ok(names)
    }

    pub(in crate::backend) fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.notes {
            Some(notes) => notes::whole(notes, name),
            None => Ok(None),
        }
    }

    /// When a note was written.
    pub(in crate::backend) fn age(&self, name: &str) -> Result<Option<SystemTime>, StoreError> {
        match &self.notes {
            Some(notes) => Ok(notes.file(name)?.and_then(|(_, meta)| meta.modified().ok())),
            None => Ok(None),
        }
    }

    pub(in crate::backend) fn remove_note(&self, name: &str) -> Result<(), StoreError> {
        match &self.notes {
            Some(notes) => Ok(notes.remove_file(name)?),
            None => Ok(()),
        }
    }

    /// Removes all blobs but these; returns how many were removed.
    pub(in crate::backend) fn remove_blobs(
        &self,
        is_needed: impl Fn(Digest) -> bool,
    ) -> Result<usize, StoreError> {
        let Some(blobs) = &self.blobs else {
            return Ok(0);
        };
        let mut removed = 0;
        for entry in blobs.entries()? {
            let name = entry.name.to_string_lossy();
            let digest = Digest::read(&format!("sha256:{name}"));
            if !digest.is_some_and(&is_needed) {
                blobs.remove_file(&entry.name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}
