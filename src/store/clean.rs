//! Finds what can be deleted: records of images that no longer exist, contexts, logs, leftovers of killed runs.
//!
//! Only lists, and removes what is listed. Leaves alone what belongs to an image that a run is building.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use super::name::{file_name, image_of};
use super::{
    CONTEXT_OF, CONTEXTS, INPUTS, LOGS, RECORDS, RecordState, Store, listing_file, lock_name, names,
};
use crate::disk::dir::{Dir, TEMPORARY};
use crate::fingerprint::INDEX;

/// Something in the state directory that is no longer needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The kind of leftover.
    pub kind: LeftoverKind,
    /// Id of the image that it belongs to, as far as the file name reveals it.
    pub image: Option<String>,
    /// Absolute path.
    pub path: PathBuf,
    /// Size in bytes, including the contents of a directory.
    pub bytes: u64,
}

/// The kinds of leftovers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftoverKind {
    /// The record of an image that is not in the workspace.
    Record,
    /// Inputs that no record of an image in the workspace refers to.
    Inputs,
    /// A build context.
    Context,
    /// A build log.
    Log,
    /// The index of file times.
    Index,
    /// A file that was never completed.
    Unfinished,
}

impl Store {
    /// Everything not needed by `images`, the ids of the workspace's images, ordered by kind, then by name.
    pub fn leftovers(&self, images: &BTreeSet<&str>) -> io::Result<Vec<Leftover>> {
        let Some(own) = self.place.open()? else {
            return Ok(Vec::new());
        };
        let [records, inputs, contexts, logs] =
            [RECORDS, INPUTS, CONTEXTS, LOGS].map(|folder| own.open_all(folder));
        let (records, inputs) = (ListedDir::of(records?)?, ListedDir::of(inputs?)?);
        let (contexts, logs) = (ListedDir::of(contexts?)?, ListedDir::of(logs?)?);
        let mut found = dead_records(&records, images);
        found.extend(self.dead_inputs(&inputs, images));
        found.extend(contexts.each(LeftoverKind::Context, |name| {
            Some(name.split(CONTEXT_OF).next().unwrap_or(name))
        }));
        found.extend(logs.each(LeftoverKind::Log, |name| {
            Some(name.strip_suffix(".log").unwrap_or(name))
        }));
        let own = ListedDir::of(Some(own))?;
        if images.is_empty() {
            found.extend(own.each(LeftoverKind::Index, |name| (name == INDEX).then_some("")));
        }
        for listed in [own, records, inputs] {
            found.extend(listed.each(LeftoverKind::Unfinished, |name| {
                name.starts_with(TEMPORARY).then_some(name)
            }));
        }
        Ok(found)
    }

    /// Removes a leftover; not an error if it is already gone. Returns false if a running build uses it. While another
    /// run writes records, `waiting` is called repeatedly and may break off.
    pub fn remove(
        &self,
        leftover: &Leftover,
        waiting: impl FnMut() -> ControlFlow<()>,
    ) -> io::Result<bool> {
        let _writing = self.turns.writing(&self.place.make()?, waiting)?;
        let _building = match &leftover.image {
            None => None,
            Some(image) => match self.try_lock(image)? {
                None => return Ok(false),
                lock => lock,
            },
        };
        let (folder, name) = self.within(&leftover.path)?;
        if let Some(folder) = folder {
            folder.remove(name)?;
        }
        self.drop_lock_of(leftover);
        Ok(true)
    }

    /// Opens the directory within the state directory that contains `path`. Also returns the file name.
    fn within<'a>(&self, path: &'a Path) -> io::Result<(Option<Dir>, &'a str)> {
        let inside = path.strip_prefix(self.place.path()).ok();
        let inside = inside.filter(|inside| {
            let mut parts = inside.components();
            parts.all(|part| matches!(part, Component::Normal(_)))
        });
        let split = inside.and_then(|inside| {
            let name = inside.file_name()?.to_str()?;
            Some((inside.parent()?, name))
        });
        let (folder, name) = split.ok_or_else(|| {
            let path = path.display();
            io::Error::other(format!("`{path}` is not in the state directory"))
        })?;
        Ok((self.place.join(folder).open()?, name))
    }

    /// Removes the lock of an image together with its record. The lock must be held.
    fn drop_lock_of(&self, leftover: &Leftover) {
        if let (LeftoverKind::Record, Some(image)) = (leftover.kind, &leftover.image)
            && let Ok(Some(locks)) = self.place.join(super::LOCKS).open()
        {
            let _ = locks.remove_file(lock_name(image));
        }
    }

    fn dead_inputs(&self, inputs: &ListedDir, images: &BTreeSet<&str>) -> Vec<Leftover> {
        let records = self.records();
        let live: BTreeSet<String> = images
            .iter()
            .filter_map(|image| match records.read(image) {
                RecordState::Found(record) => Some(listing_file(image, &record.key)),
                _ => None,
            })
            .collect();
        inputs.each(LeftoverKind::Inputs, |name| {
            let stem = name.strip_suffix(".json").unwrap_or(name);
            let image = stem.rsplit_once('.').map_or(stem, |(image, _)| image);
            let is_dead = !name.starts_with(TEMPORARY) && !live.contains(name);
            is_dead.then_some(image)
        })
    }
}

fn dead_records(records: &ListedDir, images: &BTreeSet<&str>) -> Vec<Leftover> {
    let kept: BTreeSet<String> = images.iter().map(|image| file_name(image)).collect();
    records.each(LeftoverKind::Record, |name| {
        let stem = name.strip_suffix(".json")?;
        (!name.starts_with(TEMPORARY) && !kept.contains(stem)).then_some(stem)
    })
}

struct ListedDir {
    folder: Option<Dir>,
    names: Vec<String>,
}

impl ListedDir {
    fn of(folder: Option<Dir>) -> io::Result<Self> {
        let names = match &folder {
            Some(folder) => names(folder)?,
            None => Vec::new(),
        };
        Ok(Self { folder, names })
    }

    /// The entries that are leftovers: those for which `stem` returns the part of the name that encodes the image.
    fn each<'a>(
        &'a self,
        kind: LeftoverKind,
        stem: impl Fn(&'a str) -> Option<&'a str>,
    ) -> Vec<Leftover> {
        let Some(folder) = &self.folder else {
            return Vec::new();
        };
        let found = self.names.iter().filter_map(|name| {
            let image = image_of(stem(name)?);
            Some(Leftover {
                kind,
                image: image.filter(|_| kind != LeftoverKind::Unfinished),
                bytes: folder.bytes(name),
                path: folder.path().join(name),
            })
        });
        found.collect()
    }
}
