//! Files out of other images of the workspace, by the rules of a Dockerfile's `COPY --from`.
//!
//! They are read from the blobs of the layers that have them: each layer once, from its beginning to its end. Layers have
//! them in any order, so contents wait in a file of the store until they are written in that of their paths.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use tar::{Archive, EntryType};

use super::base::{Image, LayerNote, Source, told};
use super::common::failed;
use super::copy::{Copied, Item, Items, below};
use super::made::Key;
use super::owner::Owner;
use crate::backend::BuildError;
use crate::backend::oci::layer::{
    Encoding, EntryKind, Layer, LayerWriter, Node, NodeKind, XATTR, Xattr, inside, plain,
};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::Spool;
use crate::backend::oci::tree::{NoWay, Tree};

/// The version of how files of images become layers; part of the keys of their layers.
const FORMAT: &str = "taken 1";

/// How many hard links may lead to each other in a layer.
const LINKS: usize = 40;

/// What is read of a layer at once.
const PIECE: usize = 256 << 10;

/// Files of an image on their way into another.
pub(super) struct Taken<'a> {
    from: &'a Image,
    /// What is in each of the image's layers.
    notes: Vec<LayerNote>,
    pub(super) items: Vec<Item<'a>>,
    /// Where the contents of the items are, for those that have any.
    contents: Vec<Option<Place>>,
}

/// A file in a layer: all hard links of a file have the same place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Place {
    layer: usize,
    path: String,
}

/// A content in the spool, and what belongs to it.
struct Held {
    offset: u64,
    size: u64,
    xattrs: Vec<Xattr>,
}

impl<'a> Taken<'a> {
    /// The files at `path` of an image, for a copy to `to` in another.
    pub(super) fn new(
        from: &'a Image,
        path: &str,
        (onto, to): (&Tree, &str),
        owner: Option<Owner>,
        source: &Source<'_>,
    ) -> Result<Self, BuildError> {
        let notes = from.parts.iter().map(|part| {
            let note = LayerNote::read(source.store, part.digest)?;
            note.ok_or_else(|| {
                failed(format!(
                    "the store lost the list of layer `{}`",
                    part.digest
                ))
            })
        });
        let mut taken = Self {
            from,
            notes: notes.collect::<Result<_, _>>()?,
            items: items(&from.tree, path, (onto, to), owner).map_err(BuildError::Failed)?,
            contents: Vec::new(),
        };
        let places = taken.items.iter().map(|item| match &item.from {
            Copied::Image(node) if !matches!(node.kind, NodeKind::Link(_)) => {
                taken.place(&node.path).map(Some)
            }
            _ => Ok(None),
        });
        taken.contents = places
            .collect::<Result<_, _>>()
            .map_err(BuildError::Failed)?;
        Ok(taken)
    }

    /// The place of the content of a file.
    fn place(&self, path: &str) -> Result<Place, String> {
        let of = |nodes: &'_ [Node], path: &str| {
            let is_it = |node: &&Node| {
                node.path == path && !matches!(node.kind, NodeKind::Whiteout | NodeKind::Opaque)
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
                NodeKind::File(_) => return Ok(Place { layer, path }),
                _ => return Err(format!("`/{path}` is not a file")),
            }
        }
        Err(format!("too many links lead to `/{path}`"))
    }

    /// What decides the bytes of the layer.
    pub(super) fn key(&self, encoding: Encoding) -> String {
        let mut key = Key::default();
        key.text(FORMAT);
        for (item, content) in self.items.iter().zip(&self.contents) {
            key.text(&item.path);
            for number in [u64::from(item.mode), item.owner.user, item.owner.group] {
                key.number(number);
            }
            match (&item.from, content) {
                (_, Some(Place { layer, path })) => {
                    key.text("file");
                    key.text(&self.notes[*layer].diff_id);
                    key.text(path);
                }
                (
                    Copied::Image(Node {
                        kind: NodeKind::Link(target),
                        ..
                    }),
                    None,
                ) => {
                    key.text("link");
                    key.text(target);
                }
                _ => key.text("folder"),
            }
        }
        key.finish(encoding)
    }

    /// Writes the layer.
    pub(super) fn write(
        &self,
        encoding: Encoding,
        source: &Source<'_>,
    ) -> Result<Layer, BuildError> {
        let mut spool = source.store.spool().map_err(failed)?;
        let held = self.gather(&mut spool, source)?;
        let mut writer = LayerWriter::new(source.store, encoding).map_err(failed)?;
        let mut first: HashMap<&Place, &str> = HashMap::new();
        for (item, place) in self.items.iter().zip(&self.contents) {
            let Some(place) = place else {
                writer.entry(&item.entry()).map_err(failed)?;
                continue;
            };
            if let Some(target) = first.get(place) {
                let link = item.entry_of(EntryKind::HardLink { target });
                writer.entry(&link).map_err(failed)?;
                continue;
            }
            first.insert(place, &item.path);
            let held = held.get(place).ok_or_else(|| {
                failed(format!(
                    "the layer of `/{}` does not have it any more",
                    place.path
                ))
            })?;
            let entry = item.entry_of(EntryKind::File { size: held.size });
            writer.entry_with(&entry, &held.xattrs).map_err(failed)?;
            spool
                .read(held.offset, held.size, &mut |piece| {
                    if source.cancel.is_requested() {
                        return Err(BuildError::Cancelled);
                    }
                    writer.content(piece).map_err(failed)
                })
                .map_err(failed)??;
        }
        writer.finish().map_err(failed)
    }

    /// Puts the contents of all files into the spool.
    fn gather(
        &self,
        spool: &mut Spool,
        source: &Source<'_>,
    ) -> Result<HashMap<Place, Held>, BuildError> {
        let mut wanted: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for Place { layer, path } in self.contents.iter().flatten() {
            wanted.entry(*layer).or_default().push(path);
        }
        let mut held = HashMap::new();
        for (layer, mut paths) in wanted {
            paths.sort_unstable();
            let part = &self.from.parts[layer];
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
}

fn gather_layer(
    blob: Digest,
    paths: &[&str],
    spool: &mut Spool,
    source: &Source<'_>,
) -> io::Result<Vec<(String, Held)>> {
    let (blob, _) = source.store.send(blob).map_err(io::Error::other)?;
    let mut whole = plain(blob)?;
    let mut archive = Archive::new(&mut whole);
    let mut found = Vec::new();
    let mut piece = vec![0; PIECE];
    for entry in archive.entries()? {
        if source.cancel.is_requested() {
            return Err(io::Error::other("interrupted"));
        }
        let mut entry = entry?;
        let is_file = matches!(
            entry.header().entry_type(),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse
        );
        let path = inside(&entry.path()?).map_err(io::Error::other)?;
        let is_wanted = |path: &String| paths.binary_search(&path.as_str()).is_ok();
        let Some(path) = path.filter(|path| is_file && is_wanted(path)) else {
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
        let size = spool.size() - offset;
        found.push((
            path,
            Held {
                offset,
                size,
                xattrs,
            },
        ));
    }
    // The end is what verifies the blob.
    io::copy(&mut whole, &mut io::sink())?;
    Ok(found)
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

/// The entries for a copy out of this tree; what is wrong in words.
fn items<'a>(
    from: &'a Tree,
    path: &str,
    (onto, to): (&Tree, &str),
    owner: Option<Owner>,
) -> Result<Vec<Item<'a>>, String> {
    let told = |error: NoWay| error.to_string();
    let real = from.resolve(path).map_err(told)?;
    let target = onto.resolve(to).map_err(told)?;
    let mut items = Items::new(onto, owner.unwrap_or_default());
    let mut put = |place: &str, node: &'a Node| {
        let own = Owner {
            user: node.uid,
            group: node.gid,
        };
        let owner = owner.unwrap_or(own);
        match &node.kind {
            NodeKind::Folder => items.folder_as(place, node.mode, owner).map_err(told),
            NodeKind::Special => Err(format!(
                "`/{}` is a device or a pipe, which is not copied",
                node.path
            )),
            _ => items
                .put(place, Copied::Image(node), node.mode, owner)
                .map_err(told),
        }
    };
    let is_inside = from.below(&real).next().is_some();
    match from.get(&real) {
        Some(node) if node.kind != NodeKind::Folder => {
            let name = path.trim_end_matches('/').rsplit('/').next();
            let is_into = to.ends_with('/') || onto.is_folder(&target);
            match name.filter(|_| is_into) {
                Some(name) => put(&below(&target, name), node)?,
                None => put(&target, node)?,
            }
        }
        None if !is_inside && !real.is_empty() => {
            return Err(format!("there is no `{path}` in the image"));
        }
        _ => {
            for (path, node) in from.below(&real) {
                put(&below(&target, path), node)?;
            }
            // It is there even if nothing is in it; as with Docker, it does not take over the attributes of the source.
            items.above(&below(&target, "")).map_err(told)?;
        }
    }
    Ok(items.items.into_values().collect())
}
