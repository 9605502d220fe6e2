//! Packages that the image has in another version: what belongs to them goes, as a layer of its own, before the new ones
//! come.
//!
//! So the layers of wheels do not depend on what they replace, and stay those of all other images. What is removed is
//! written in files of the image's layers; it is kept as a note, so that they are read once.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Wheel;
use super::onto::{Installed, Place};
use super::places::normal;
use super::present::{self, Present};
use super::removal::{Removal, wanted};
use super::sources::same_version;
use crate::backend::BuildError;
use crate::backend::embedded::base::{Image, Source};
use crate::backend::embedded::common::{failed, stored};
use crate::backend::embedded::contents::Layers;
use crate::backend::embedded::copy::{Item, Items};
use crate::backend::embedded::made::{Key, Once};
use crate::backend::embedded::owner::Owner;
use crate::backend::oci::layer::{Entry, EntryKind, Layer, LayerWriter};

/// The version of how removals are found and written; part of the names of their notes and layers.
const FORMAT: &str = "removed 1";

/// What the names of these notes begin with.
const REMOVED: &str = "removed-";

/// The largest RECORD, in bytes.
const LARGEST: u64 = 64 << 20;

/// What is to be installed, and what that replaces.
pub(super) struct Missing<'a> {
    /// The wheels that the image does not have yet, sorted by name.
    pub(super) wheels: Vec<&'a Wheel>,
    /// What they replace, by the names of the wheels.
    replaced: Vec<(&'a Wheel, Present)>,
}

/// What a removal consists of.
#[derive(Debug, Serialize, Deserialize)]
struct Removed {
    paths: BTreeSet<String>,
    told: Vec<String>,
}

/// The wheels that the image does not have in the same version.
pub(super) fn missing<'a>(
    wheels: &'a [Wheel],
    place: &Place<'_>,
) -> Result<Missing<'a>, BuildError> {
    let mut found = present::find(&place.image.tree, &place.target.scheme).map_err(failed)?;
    let mut missing = Missing {
        wheels: Vec::new(),
        replaced: Vec::new(),
    };
    let mut sorted: Vec<&Wheel> = wheels.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    for wheel in sorted {
        let there = found.remove(&normal(&wheel.name)).unwrap_or_default();
        // Of a package that is there twice, nobody knows which files are whose: as with uv, both go.
        if let [only] = there.as_slice()
            && let Some(version) = &only.version
            && same_version(version, &wheel.version)
        {
            continue;
        }
        missing.wheels.push(wheel);
        let there = there.into_iter();
        missing
            .replaced
            .extend(there.map(|present| (wheel, present)));
    }
    Ok(missing)
}

impl Missing<'_> {
    /// The layer without the packages that are replaced, and the image with it; `None` if nothing is removed.
    pub(super) fn removal(
        &self,
        place: &Place<'_>,
        source: &Source<'_>,
    ) -> Result<Option<(Installed, Image)>, BuildError> {
        if self.replaced.is_empty() {
            return Ok(None);
        }
        let removed = self.removed(place, source)?;
        for line in &removed.told {
            source.notes.log(line);
        }
        if removed.paths.is_empty() {
            return Ok(None);
        }
        let mut folders = Items::new(&place.image.tree, Owner::default());
        for path in &removed.paths {
            folders.above(path).map_err(failed)?;
        }
        let once = Once {
            source,
            encoding: place.encoding,
            use_known: place.use_known,
        };
        let words = self.words();
        let key = key(&folders.items, &removed.paths, place);
        let write = || write(&folders.items, &removed.paths, place, source);
        let made = once.get(&key, &words, write)?;
        let mut image = place.image.clone();
        image.push(made.part.clone(), &made.note.index);
        Ok(Some((Installed { made, words }, image)))
    }

    fn words(&self) -> String {
        let each = self.replaced.iter().map(|(wheel, present)| {
            let version = present.version.as_deref().unwrap_or("of unknown version");
            format!("{} {version}", wheel.name)
        });
        let each: Vec<String> = each.collect();
        format!("removed: {}", each.join(", "))
    }

    /// What is removed: as an earlier build found out, or by the texts in the image's layers.
    fn removed(&self, place: &Place<'_>, source: &Source<'_>) -> Result<Removed, BuildError> {
        let name = self.question(place);
        let known = source.store.note(&name).map_err(stored)?;
        if let Some(known) = known.and_then(|note| serde_json::from_slice(&note).ok()) {
            return Ok(known);
        }
        let tree = &place.image.tree;
        let of: Vec<&Present> = self.replaced.iter().map(|(_, present)| present).collect();
        let paths = wanted(tree, &of);
        let layers = Layers::new(place.image, source)?;
        let texts = layers.texts(&paths, LARGEST, source)?;
        let mut removal = Removal::new(tree.clone(), &place.target.scheme, &texts);
        for (wheel, present) in &self.replaced {
            removal.remove(present).map_err(|why| {
                let (name, new) = (&wheel.name, &wheel.version);
                let version = present.version.as_deref().unwrap_or_default();
                failed(format!(
                    "the base has {name} {version}, which cannot be replaced by {new}: {why}; ask for `{name}=={version}`, \
                     or use a base without it"
                ))
            })?;
        }
        let told = std::mem::take(&mut removal.told);
        let paths = removal.finish();
        let removed = Removed { paths, told };
        let text = serde_json::to_vec(&removed).expect("texts are JSON");
        source.store.keep_note(&name, &text).map_err(stored)?;
        Ok(removed)
    }

    /// The name of the note: all that decides what is removed.
    fn question(&self, place: &Place<'_>) -> String {
        let mut key = Key::default();
        key.text(FORMAT);
        for part in &place.image.parts {
            key.text(part.digest.hex());
        }
        let super::Scheme {
            purelib,
            platlib,
            scripts,
            headers,
            data,
        } = &place.target.scheme;
        for path in [purelib, platlib, scripts, headers, data] {
            key.text(path);
        }
        for (_, present) in &self.replaced {
            key.text(present.path());
        }
        key.named(REMOVED)
    }
}

type Folders<'a> = BTreeMap<String, Item<'a>>;

/// What decides the bytes of the layer: the paths, and the directories that they are in.
fn key(folders: &Folders<'_>, paths: &BTreeSet<String>, place: &Place<'_>) -> String {
    let mut key = Key::default();
    key.text(FORMAT);
    key.number(folders.len() as u64);
    for item in folders.values() {
        key.text(&item.path);
        for number in [u64::from(item.mode), item.owner.user, item.owner.group] {
            key.number(number);
        }
    }
    for path in paths {
        key.text(path);
    }
    key.finish(place.encoding)
}

fn write(
    folders: &Folders<'_>,
    paths: &BTreeSet<String>,
    place: &Place<'_>,
    source: &Source<'_>,
) -> Result<Layer, BuildError> {
    let mut writer = LayerWriter::new(source.store, place.encoding).map_err(failed)?;
    let all: BTreeSet<&String> = folders.keys().chain(paths).collect();
    for path in all {
        let entry = match folders.get(path) {
            Some(item) => item.entry(),
            None => Entry {
                path,
                kind: EntryKind::Whiteout,
                mode: 0,
                uid: 0,
                gid: 0,
            },
        };
        writer.entry(&entry).map_err(failed)?;
    }
    writer.finish().map_err(failed)
}
