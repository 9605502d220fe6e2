//! What can be thrown away: records of images that are no more, contexts, logs, what killed runs left.
//!
//! Lists, and removes what is listed; decides nothing. The choice made: what belongs to an image that some run builds just
//! now is left alone.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::name::{file_name, image_of};
use super::{CONTEXT_OF, Store, TEMPORARY, entries, is_absent};

/// Something in the state folder that is not needed.
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
    #[must_use]
    pub fn leftovers(&self, images: &BTreeSet<&str>) -> Vec<Leftover> {
        let kept: BTreeSet<String> = images.iter().map(|image| file_name(image)).collect();
        let mut found = self.dead_records(&kept);
        found.extend(self.dead_inputs(images));
        for (name, path) in entries(&self.contexts()) {
            let stem = name.split(CONTEXT_OF).next().unwrap_or(&name);
            found.push(leftover(LeftoverKind::Context, stem, path));
        }
        for (name, path) in entries(&self.logs()) {
            let stem = name.strip_suffix(".log").unwrap_or(&name);
            found.push(leftover(LeftoverKind::Log, stem, path));
        }
        for folder in [&self.folder, &self.state(), &self.state().join("inputs")] {
            for (name, path) in entries(folder) {
                if name.starts_with(TEMPORARY) {
                    found.push(leftover(LeftoverKind::Unfinished, &name, path));
                }
            }
        }
        found
    }

    /// Removes a leftover; whether it was removed rather than in use by a running build.
    ///
    /// # Errors
    /// When it cannot be removed; that it is gone already is no error.
    pub fn remove(&self, leftover: &Leftover) -> io::Result<bool> {
        let _writing = self.lock_writing()?;
        let _building = match &leftover.image {
            None => None,
            Some(image) => match self.try_lock(image)? {
                None => return Ok(false),
                lock => lock,
            },
        };
        match remove_all(&leftover.path) {
            Err(error) if !is_absent(&error) => Err(error),
            _ => {
                self.drop_lock_of(leftover);
                Ok(true)
            }
        }
    }

    /// The lock of an image that is no more goes with its record, while it is held.
    fn drop_lock_of(&self, leftover: &Leftover) {
        if let (LeftoverKind::Record, Some(image)) = (leftover.kind, &leftover.image) {
            let _ = std::fs::remove_file(self.locks().join(file_name(image) + ".lock"));
        }
    }

    fn dead_records(&self, kept: &BTreeSet<String>) -> Vec<Leftover> {
        entries(&self.state())
            .into_iter()
            .filter_map(|(name, path)| {
                let stem = name.strip_suffix(".json")?;
                let dead = !name.starts_with(TEMPORARY) && !kept.contains(stem);
                dead.then(|| leftover(LeftoverKind::Record, stem, path))
            })
            .collect()
    }

    fn dead_inputs(&self, images: &BTreeSet<&str>) -> Vec<Leftover> {
        let live: BTreeSet<PathBuf> = images
            .iter()
            .filter_map(|image| match self.read(image) {
                super::RecordState::Found(record) => Some(self.listing_file(image, &record.key)),
                _ => None,
            })
            .collect();
        entries(&self.state().join("inputs"))
            .into_iter()
            .filter(|(name, path)| !name.starts_with(TEMPORARY) && !live.contains(path))
            .map(|(name, path)| {
                let stem = name.strip_suffix(".json").unwrap_or(&name);
                let image = stem.rsplit_once('.').map_or(stem, |(image, _)| image);
                leftover(LeftoverKind::Inputs, image, path)
            })
            .collect()
    }
}

fn leftover(kind: LeftoverKind, stem: &str, path: PathBuf) -> Leftover {
    Leftover {
        kind,
        image: image_of(stem).filter(|_| kind != LeftoverKind::Unfinished),
        bytes: bytes(&path),
        path,
    }
}

fn bytes(path: &Path) -> u64 {
    let Ok(meta) = std::fs::symlink_metadata(path) else {
        return 0;
    };
    if !meta.is_dir() {
        return meta.len();
    }
    entries(path).iter().map(|(_, path)| bytes(path)).sum()
}

fn remove_all(path: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(path)?.is_dir() {
        std::fs::remove_dir_all(path)
    } else {
        std::fs::remove_file(path)
    }
}
