//! Makes layers of wheels: large ones each have one of their own, which all images share, small ones go into one together.
//!
//! A layer depends on the wheel and on where it goes, not on what is below it, so it is made once for all images.

use std::collections::{BTreeMap, BTreeSet};

use super::layer::{self, Entries, Open, Source, told};
use super::onto::{Installed, Place};
use super::plan::{self, Content, Plan};
use super::replace;
use super::zip::Zip;
use super::{Target, Wheel};
use crate::backend::BuildError;
use crate::backend::embedded::base;
use crate::backend::embedded::common::{at_once, failed};
use crate::backend::embedded::copy::Items;
use crate::backend::embedded::made::{Key, Once};
use crate::backend::embedded::owner::Owner;
use crate::backend::embedded::sealed;
use crate::backend::oci::layer::{Layer, NodeKind};

/// The version of how wheels become layers; part of the keys of their layers.
const FORMAT: &str = "wheels 2";

/// How the names of notes with the directories of wheels begin.
const FOLDERS: &str = "folders-";

/// Smaller wheels share a layer, in bytes. What is in that layer is written again for each other combination of them, so it is to be
/// little; but an image is not to have a layer for each of its packages.
const LARGE: u64 = 512 << 10;

/// The most layers that one step makes, and that an image has with them: runtimes refuse images with more than about 125.
const OWN_LAYERS: usize = 40;
const ALL_LAYERS: usize = 100;

/// The layers that these wheels become, from the bottom up. Their bytes are in the store.
pub(in crate::backend::embedded) fn layers(
    wheels: &[Wheel],
    place: &Place<'_>,
    source: &base::Source<'_>,
) -> Result<Vec<Installed>, BuildError> {
    let missing = replace::missing(wheels, place)?;
    match missing.removal(place, source)? {
        None => on_top(&missing.wheels, place, source),
        Some((removal, image)) => {
            let place = Place {
                image: &image,
                ..*place
            };
            let mut all = vec![removal];
            all.extend(on_top(&missing.wheels, &place, source)?);
            Ok(all)
        }
    }
}

/// The layers of wheels of which the image has no version.
fn on_top(
    wheels: &[&Wheel],
    place: &Place<'_>,
    source: &base::Source<'_>,
) -> Result<Vec<Installed>, BuildError> {
    let groups = groups(wheels, place, source)?;
    let mut order: Vec<usize> = (0..groups.len()).collect();
    // The one that takes longest is begun first.
    order.sort_by_key(|at| std::cmp::Reverse(groups[*at].size));
    let made = at_once(&order, |at| group(&groups[*at].wheels, place, source))?;
    let mut made: Vec<(usize, Installed)> = order.into_iter().zip(made).collect();
    made.sort_by_key(|(at, _)| *at);
    let made: Vec<Installed> = made.into_iter().map(|(_, installed)| installed).collect();
    collide(&made, source)?;
    Ok(made)
}

/// Wheels that share a layer, and their size.
struct Group<'a> {
    wheels: Vec<&'a Wheel>,
    size: u64,
}

/// The wheels by layer: the largest ones alone, as many as there may be layers, the rest together on top.
fn groups<'a>(
    wheels: &[&'a Wheel],
    place: &Place<'_>,
    source: &base::Source<'_>,
) -> Result<Vec<Group<'a>>, BuildError> {
    let mut sized = Vec::new();
    for wheel in wheels {
        let size = source.store.size(wheel.sha256).map_err(failed)?;
        let size = size.ok_or_else(|| {
            let file = &wheel.file;
            BuildError::Failed(format!("wheel `{file}` is not in the store"))
        })?;
        sized.push((*wheel, size));
    }
    let room = ALL_LAYERS
        .saturating_sub(place.image.parts.len())
        .min(OWN_LAYERS);
    let mut largest: Vec<(&Wheel, u64)> = sized.clone();
    largest.retain(|(_, size)| *size >= LARGE);
    largest.sort_by_key(|(wheel, size)| (std::cmp::Reverse(*size), wheel.name.clone()));
    largest.truncate(room.saturating_sub(1));
    let alone: BTreeSet<&str> = largest
        .iter()
        .map(|(wheel, _)| wheel.name.as_str())
        .collect();
    let (alone, rest): (Vec<_>, Vec<_>) = sized
        .into_iter()
        .partition(|(wheel, _)| alone.contains(wheel.name.as_str()));
    let mut groups: Vec<Group<'_>> = alone
        .into_iter()
        .map(|(wheel, size)| Group {
            wheels: vec![wheel],
            size,
        })
        .collect();
    if !rest.is_empty() {
        groups.push(Group {
            size: rest.iter().map(|(_, size)| size).sum(),
            wheels: rest.into_iter().map(|(wheel, _)| wheel).collect(),
        });
    }
    Ok(groups)
}

fn group(
    wheels: &[&Wheel],
    place: &Place<'_>,
    source: &base::Source<'_>,
) -> Result<Installed, BuildError> {
    let names = wheels
        .iter()
        .map(|wheel| format!("{} {}", wheel.name, wheel.version));
    let words = names.collect::<Vec<_>>().join(", ");
    let key = key(wheels, place, source)?;
    let once = Once {
        source,
        encoding: place.encoding,
        use_known: place.use_known,
    };
    let made = once.get(&key, &words, || write(wheels, place, source))?;
    Ok(Installed { made, words })
}

fn write(
    wheels: &[&Wheel],
    place: &Place<'_>,
    source: &base::Source<'_>,
) -> Result<Layer, BuildError> {
    let mut opened = Vec::new();
    for wheel in wheels {
        let zip = open(wheel, source)?;
        let plan = || {
            let starts = zip.starts()?;
            let plan = Plan::new(&zip, &starts, wheel, place.target)?;
            Ok((starts, plan))
        };
        let (starts, plan) = plan().map_err(|error| told(&wheel.file, &error))?;
        opened.push(Open {
            name: wheel.file.clone(),
            zip,
            starts,
            plan,
        });
    }
    let entries = entries(&opened, place, source)?;
    layer::write(&entries, source.store, place.encoding, source.cancel)
}

fn open(wheel: &Wheel, source: &base::Source<'_>) -> Result<Zip, BuildError> {
    let (file, size) = source.store.read(wheel.sha256).map_err(failed)?;
    Zip::open(file, size).map_err(|error| told(&wheel.file, &error))
}

/// Whether a wheel of the store can be installed, as far as it shows without reading all of it.
pub(in crate::backend::embedded) fn verify(
    wheel: &Wheel,
    target: &Target,
    source: &base::Source<'_>,
) -> Result<(), BuildError> {
    let zip = open(wheel, source)?;
    let planned = zip
        .starts()
        .and_then(|starts| Plan::new(&zip, &starts, wheel, target));
    planned.map(drop).map_err(|error| told(&wheel.file, &error))
}

/// The metadata in a wheel of the store.
pub(in crate::backend::embedded) fn metadata(
    wheel: &Wheel,
    source: &base::Source<'_>,
) -> Result<String, BuildError> {
    let zip = open(wheel, source)?;
    plan::metadata(&zip, wheel).map_err(|error| told(&wheel.file, &error))
}

/// What decides the bytes of the layer: the wheels, where their parts go, and the directories above.
fn key(
    wheels: &[&Wheel],
    place: &Place<'_>,
    source: &base::Source<'_>,
) -> Result<String, BuildError> {
    let mut key = key_of(place.target);
    let mut items = Items::new(&place.image.tree, Owner::default());
    for wheel in wheels {
        key.text(wheel.sha256.hex());
        for folder in folders(wheel, place, source)? {
            let path = place.image.tree.resolve(&folder).map_err(failed)?;
            items.above(&format!("{path}/")).map_err(failed)?;
        }
    }
    for item in items.items.values() {
        key.text(&item.path);
        for number in [u64::from(item.mode), item.owner.user, item.owner.group] {
            key.number(number);
        }
    }
    Ok(key.finish(place.encoding))
}

/// All directories into which files of a wheel could go. They are kept, so that wheels whose layers are known need not be opened.
fn folders(
    wheel: &Wheel,
    place: &Place<'_>,
    source: &base::Source<'_>,
) -> Result<BTreeSet<String>, BuildError> {
    let mut key = key_of(place.target);
    key.text(wheel.sha256.hex());
    key.text(&wheel.name);
    let note = key.named(FOLDERS);
    let known = source.store.note(&note).map_err(failed)?;
    let known = known.filter(|_| place.use_known);
    if let Some(known) = known.and_then(|known| sealed::open(&known)) {
        return Ok(known);
    }
    let found = plan::folders(&open(wheel, source)?, wheel, place.target);
    let found = found.map_err(|error| told(&wheel.file, &error))?;
    let kept = source.store.keep_note(&note, &sealed::seal(&found));
    kept.map_err(failed)?;
    Ok(found)
}

/// What decides where the parts of a wheel go.
fn key_of(target: &Target) -> Key {
    let Target {
        version,
        interpreter,
        scheme,
        full_version: _,
        platform: _,
        libc: _,
    } = target;
    let super::Scheme {
        purelib,
        platlib,
        scripts,
        headers,
        data,
    } = scheme;
    let mut key = Key::default();
    key.text(FORMAT);
    for text in [interpreter, purelib, platlib, scripts, headers, data] {
        key.text(text);
    }
    // It is in the name of a launcher of pip.
    key.number(version.1.into());
    key
}

/// The entries of the layer, at the places to which the image's links lead.
fn entries<'a>(
    opened: &'a [Open],
    place: &Place<'_>,
    source: &base::Source<'_>,
) -> Result<Entries<'a>, BuildError> {
    let mut files: Entries<'a> = BTreeMap::new();
    let mut folders = Items::new(&place.image.tree, Owner::default());
    for open in opened {
        let mut known: BTreeMap<&str, String> = BTreeMap::new();
        for folder in &open.plan.folders {
            let path = place.image.tree.resolve(folder).map_err(failed)?;
            folders.above(&format!("{path}/")).map_err(failed)?;
        }
        for (path, placed) in &open.plan.files {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            if !known.contains_key(above) {
                let real = place.image.tree.resolve(above).map_err(failed)?;
                folders.above(&format!("{real}/")).map_err(failed)?;
                known.insert(above, real);
            }
            let path = match known[above].as_str() {
                "" => name.to_owned(),
                above => format!("{above}/{name}"),
            };
            if place.image.tree.is_folder(&path) {
                let file = &open.name;
                return Err(BuildError::Failed(format!(
                    "wheel `{file}`: `/{path}` is a directory in the image, where it has a file"
                )));
            }
            let before = files.insert(path.clone(), Source::File(open, placed));
            if let Some(Source::File(other, before)) = before
                && !is_same(&before.content, &placed.content)
            {
                let (one, other) = (&open.name, &other.name);
                let words =
                    format!("`/{path}` is in both `{other}` and `{one}`; that of `{one}` is used");
                source.notes.log(&words);
            }
        }
    }
    for (path, item) in folders.items {
        if files.insert(path.clone(), Source::Folder(item)).is_some() {
            return Err(both(&path));
        }
    }
    Ok(files)
}

fn is_same(one: &Content, other: &Content) -> bool {
    match (one, other) {
        (Content::Member { hash: one, .. }, Content::Member { hash: other, .. }) => one == other,
        (Content::Made(one), Content::Made(other)) => one == other,
        _ => false,
    }
}

fn both(path: &str) -> BuildError {
    BuildError::Failed(format!(
        "`/{path}` is a directory in one package and a file in another"
    ))
}

/// Packages of different layers do not make a path a file and a directory; a file of both is told.
fn collide(layers: &[Installed], source: &base::Source<'_>) -> Result<(), BuildError> {
    let mut paths: BTreeMap<&str, (bool, &str)> = BTreeMap::new();
    for layer in layers {
        for node in layer.made.note.index.nodes.iter() {
            let is_folder = node.kind == NodeKind::Folder;
            let words = layer.words.as_str();
            let before = paths.insert(&node.path, (is_folder, words));
            match before {
                None | Some((true, _)) if is_folder => {}
                None => {}
                Some((was_folder, _)) if was_folder != is_folder => return Err(both(&node.path)),
                Some((_, other)) => {
                    let path = &node.path;
                    source.notes.log(&format!(
                        "`/{path}` is in the layers of both {other} and {words}; that of the latter is used"
                    ));
                }
            }
        }
    }
    Ok(())
}
