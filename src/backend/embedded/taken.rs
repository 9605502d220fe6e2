//! Files out of other images of the workspace, by the rules of a Dockerfile's `COPY --from`.
//!
//! The layer is found again by the layers that have the files, and the paths in them.

use std::collections::HashMap;

use super::base::{Image, Source};
use super::common::failed;
use super::contents::{Layers, Place, lost};
use super::copy::{Copied, Item, Items, below};
use super::made::Key;
use super::owner::Owner;
use crate::backend::BuildError;
use crate::backend::oci::layer::{Encoding, EntryKind, Layer, LayerWriter, Node, NodeKind};
use crate::backend::oci::tree::{NoWay, Tree};

/// The version of how files of images become layers; part of the keys of their layers.
const FORMAT: &str = "taken 1";

/// Files of an image on their way into another.
pub(super) struct Taken<'a> {
    from: Layers<'a>,
    pub(super) items: Vec<Item<'a>>,
    /// Where the contents of the items are, for those that have any.
    contents: Vec<Option<Place>>,
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
        let mut taken = Self {
            from: Layers::new(from, source)?,
            items: items(&from.tree, path, (onto, to), owner).map_err(BuildError::Failed)?,
            contents: Vec::new(),
        };
        let places = taken.items.iter().map(|item| match &item.from {
            Copied::Image(node) if !matches!(node.kind, NodeKind::Link(_)) => {
                taken.from.place(&node.path).map(Some)
            }
            _ => Ok(None),
        });
        taken.contents = places
            .collect::<Result<_, _>>()
            .map_err(BuildError::Failed)?;
        Ok(taken)
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
                (_, Some(place)) => {
                    key.text("file");
                    key.text(self.from.diff_id(place));
                    key.text(&place.path);
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
        let places = self.contents.iter().flatten();
        let held = self.from.gather(places, &mut spool, source)?;
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
            let held = held.get(place).ok_or_else(|| lost(place))?;
            let entry = item.entry_of(held.kind);
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
    let mut put = |place: &str, node: &'a Node| -> Result<(), NoWay> {
        let own = Owner {
            user: node.uid,
            group: node.gid,
        };
        let owner = owner.unwrap_or(own);
        match &node.kind {
            NodeKind::Folder => items.folder_as(place, node.mode, owner),
            _ => items.put(place, Copied::Image(node), node.mode, owner),
        }
    };
    let is_inside = from.below(&real).next().is_some();
    match from.get(&real) {
        Some(node) if node.kind != NodeKind::Folder => {
            let name = path.trim_end_matches('/').rsplit('/').next();
            let is_into = to.ends_with('/') || onto.is_folder(&target);
            match name.filter(|_| is_into) {
                Some(name) => put(&below(&target, name), node).map_err(told)?,
                None => put(&target, node).map_err(told)?,
            }
        }
        None if !is_inside && !real.is_empty() => {
            return Err(format!("there is no `{path}` in the image"));
        }
        _ => {
            for (path, node) in from.below(&real) {
                put(&below(&target, path), node).map_err(told)?;
            }
            // It is there even if nothing is in it; as with Docker, it does not take over the attributes of the source.
            items.above(&below(&target, "")).map_err(told)?;
        }
    }
    Ok(items.items.into_values().collect())
}
