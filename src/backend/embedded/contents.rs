//! Contents of an image's files, read from the blobs of the layers that have them: each layer once, from its beginning to
//! its end.
//!
//! Layers have files in any order, so contents wait in a file of the store until they are asked for.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use tar::EntryType;

use super::base::{Image, LayerNote, Part, Source, told};
use super::common::failed;
use crate::backend::BuildError;
use crate::backend::oci::layer::{EntryKind, Meter, Node, NodeKind, XATTR, Xattr, inside, plain};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::Spool;

/// How many hard links may lead to each other in a layer.
const LINKS: usize = 40;

/// What is read of a layer at once.
const PIECE: usize = 256 << 10;

/// The layers of an image, and what is in each of them.
pub(super) struct Layers<'a> {
    of: &'a Image,
    notes: Vec<LayerNote>,
}

/// A file in a layer: all hard links of a file have the same place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    layer: usize,
    pub(super) path: String,
}

/// A content in the spool, and what belongs to it.
pub(super) struct Held {
    /// A file with its size, or a device or a pipe, which has no content.
    pub(super) kind: EntryKind<'static>,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) xattrs: Vec<Xattr>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(of: &'a Image, source: &Source<'_>) -> Result<Self, BuildError> {
        let notes = of.parts.iter().map(|part| {
            let note = LayerNote::read(source.store, part.digest)?;
            note.ok_or_else(|| {
                failed(format!(
                    "the store lost the list of layer `{}`",
                    part.digest
                ))
            })
        });
        let notes = notes.collect::<Result<_, _>>()?;
        Ok(Self { of, notes })
    }

    /// The place of the content of a file, a device or a pipe; `path` is not behind links.
    pub(super) fn place(&self, path: &str) -> Result<Place, String> {
        let of = |nodes: &'_ [Node], path: &str| {
            let is_it = |node: &&Node| {
                *node.path == *path && !matches!(node.kind, NodeKind::Whiteout | NodeKind::Opaque)
            };
            nodes.iter().rev().find(is_it).map(|node| node.kind.clone())
        };
        let mut layers = self.notes.iter().enumerate().rev();
        let found = layers.find_map(|(at, note)| Some((at, of(&note.index.nodes, path)?)));
        let (layer, mut kind) = found.ok_or_else(|| format!("no layer has `/{path}`"))?;
        let mut path = path.to_owned();
        for _ in 0..LINKS {
            match kind {
                NodeKind::HardLink(target) => {
                    kind = of(&self.notes[layer].index.nodes, &target).ok_or_else(|| {
                        format!("`/{path}` is a link to `/{target}`, which its layer does not have")
                    })?;
                    path = target;
                }
                NodeKind::File(_) | NodeKind::Special => return Ok(Place { layer, path }),
                _ => return Err(format!("`/{path}` is not a file")),
            }
        }
        Err(format!("too many links lead to `/{path}`"))
    }

    /// The digest of the tar in which a place is.
    pub(super) fn diff_id(&self, place: &Place) -> &str {
        &self.notes[place.layer].diff_id
    }

    /// The layer in which a place is.
    pub(super) fn part(&self, place: &Place) -> &Part {
        &self.of.parts[place.layer]
    }

    /// Puts the contents of these files into the spool.
    pub(super) fn gather<'p>(
        &self,
        places: impl Iterator<Item = &'p Place>,
        spool: &mut Spool,
        source: &Source<'_>,
    ) -> Result<HashMap<Place, Held>, BuildError> {
        let mut wanted: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for Place { layer, path } in places {
            wanted.entry(*layer).or_default().push(path);
        }
        let mut held = HashMap::new();
        for (layer, mut paths) in wanted {
            paths.sort_unstable();
            let part = &self.of.parts[layer];
            let blob = part.digest;
            let obtained = source.supply().obtain(&part.described());
            obtained.map_err(|error| told(error, &format!("layer {blob}")))?;
            let found = gather_layer(blob, &paths, spool, source);
            for (path, content) in found.map_err(|error| match error {
                _ if source.cancel.is_requested() => BuildError::Cancelled,
                error => failed(format!("layer `{blob}`: {error}")),
            })? {
                held.insert(Place { layer, path }, content);
            }
        }
        Ok(held)
    }

    /// The texts of small files by path, each of at most `largest` bytes; what is not UTF-8 is replaced.
    pub(super) fn texts(
        &self,
        paths: &[String],
        largest: u64,
        source: &Source<'_>,
    ) -> Result<BTreeMap<String, String>, BuildError> {
        let mut places = Vec::new();
        for path in paths {
            places.push((path, self.place(path).map_err(failed)?));
        }
        let mut spool = source.store.spool().map_err(failed)?;
        let held = self.gather(places.iter().map(|(_, place)| place), &mut spool, source)?;
        let mut texts = BTreeMap::new();
        for (path, place) in &places {
            let content = held.get(place).ok_or_else(|| lost(place))?;
            if !matches!(content.kind, EntryKind::File { .. }) {
                return Err(failed(format!("`/{path}` is not a file")));
            }
            if content.size > largest {
                return Err(failed(format!("`/{path}` is larger than {largest} bytes")));
            }
            let mut bytes = Vec::new();
            let mut take = |piece: &[u8]| {
                bytes.extend_from_slice(piece);
                Ok::<(), BuildError>(())
            };
            let read = spool.read(content.offset, content.size, &mut take);
            read.map_err(failed)??;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            texts.insert((*path).clone(), text);
        }
        Ok(texts)
    }
}

/// The error for a file that its layer was known to have.
pub(super) fn lost(place: &Place) -> BuildError {
    let path = &place.path;
    failed(format!("the layer of `/{path}` does not have it any more"))
}

fn gather_layer(
    blob: Digest,
    paths: &[&str],
    spool: &mut Spool,
    source: &Source<'_>,
) -> io::Result<Vec<(String, Held)>> {
    let (blob, _) = source.store.send(blob).map_err(io::Error::other)?;
    let is_cancelled = || source.cancel.is_requested();
    let meter = Meter::new(&is_cancelled);
    let mut archive = meter.archive(plain(blob)?);
    let mut found = Vec::new();
    let mut piece = vec![0; PIECE];
    for entry in archive.entries()? {
        let mut entry = meter.entry(entry?)?;
        let path = inside(&entry.path()?).map_err(io::Error::other)?;
        let is_wanted = |path: &String| paths.binary_search(&path.as_str()).is_ok();
        let Some(path) = path.filter(is_wanted) else {
            continue;
        };
        let Some(mut kind) = kind(&entry)? else {
            continue;
        };
        let xattrs = xattrs(&mut entry)?;
        let offset = spool.size();
        loop {
            match entry.read(&mut piece) {
                _ if source.cancel.is_requested() => return Err(io::Error::other("interrupted")),
                Ok(0) => break,
                Ok(count) => spool.add(&piece[..count]).map_err(io::Error::other)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let held = spool.size() - offset;
        if let EntryKind::File { size } = &mut kind {
            // With sparse files the head has another size.
            *size = held;
        }
        found.push((
            path,
            Held {
                kind,
                offset,
                size: held,
                xattrs,
            },
        ));
    }
    // The end is what verifies the blob.
    meter.rest(archive, u64::MAX)?;
    Ok(found)
}

/// What is at an entry's path, if it is something that has a place.
fn kind(entry: &tar::Entry<'_, impl Read>) -> io::Result<Option<EntryKind<'static>>> {
    let header = entry.header();
    let device = |is_block| -> io::Result<Option<EntryKind<'static>>> {
        Ok(Some(EntryKind::Device {
            is_block,
            major: header.device_major()?.unwrap_or_default(),
            minor: header.device_minor()?.unwrap_or_default(),
        }))
    };
    match header.entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let size = entry.size();
            Ok(Some(EntryKind::File { size }))
        }
        EntryType::Fifo => Ok(Some(EntryKind::Pipe)),
        EntryType::Char => device(false),
        EntryType::Block => device(true),
        _ => Ok(None),
    }
}

/// The extended attributes of an entry, such as capabilities.
fn xattrs(entry: &mut tar::Entry<'_, impl Read>) -> io::Result<Vec<Xattr>> {
    let mut found = Vec::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        let name = extension.key().ok().and_then(|key| key.strip_prefix(XATTR));
        if let Some(name) = name {
            found.push((name.to_owned(), extension.value_bytes().to_vec()));
        }
    }
    found.sort();
    Ok(found)
}
