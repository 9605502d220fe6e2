//! What can be thrown away: records of images that are no more, contexts, logs, what killed runs left.
//!
//! Lists, and removes what is listed; decides nothing. What belongs to an image that some run builds just now is left alone.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use super::name::{file_name, image_of};
use super::{
    CONTEXT_OF, CONTEXTS, INPUTS, LOGS, RECORDS, RecordState, Store, listing_file, lock_name, names,
};
use crate::disk::dir::{Dir, TEMPORARY};

/// Something in the state directory that is not needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// The image that it belongs to, as far as its name tells.
    pub image: Option<String>,
    /// Where it is.
    pub path: PathBuf,
    /// How many bytes it takes.
    pub bytes: u64,
}

/// What a leftover is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftoverKind {
    /// The record of an image that is not in the workspace.
    Record,
    /// Inputs that no record of an image of the workspace points to.
    Inputs,
    /// A context of a build.
    Context,
    /// A log of a build.
    Log,
    /// A file that was never finished.
    Unfinished,
}

impl Store {
    /// All that is not needed when these are the workspace's images: by kind, then by name.
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
        for listed in [ListedDir::of(Some(own))?, records, inputs] {
            found.extend(listed.each(LeftoverKind::Unfinished, |name| {
                name.starts_with(TEMPORARY).then_some(name)
            }));
        }
        Ok(found)
    }

    /// Removes a leftover; whether it was removed rather than in use by a running build. While another run writes,
    /// `waiting` is called again and again.
    /// One that is gone already is no error.
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

    /// The directory of the state that a path is in, and the last part of the path.
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

    /// The lock of an image that is no more goes with its record, while it is held.
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

    /// The leftovers among them: those of which `stem` says what stands for the image in the name.
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
