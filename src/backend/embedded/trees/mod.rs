//! The layers of an image as directories, for steps that run something. Each is unpacked once.

mod attributes;
#[cfg(test)]
mod tests;
mod unpack;

use std::collections::HashSet;
use std::path::PathBuf;

use super::base::{Image, LayerNote, Part, Source, told};
use super::common::{at_once, failed, stored};
use crate::backend::BuildError;
use crate::backend::oci::layer::{LayerError, NodeKind, plain};
use crate::backend::oci::store::StoreError;
use crate::backend::sandbox;
use crate::disk::dir::DirError;
pub(super) use attributes::{OPAQUE, OWNER, Owners, is_carried};

/// The directories of an image's layers, the lowest first.
pub(super) fn of(
    image: &Image,
    owners: Owners,
    source: &Source<'_>,
) -> Result<Vec<PathBuf>, BuildError> {
    let parts = needed(image, source)?;
    at_once(&parts, |part| tree(part, owners, source))
}

/// The layers that make up the files of an image, the lowest first. Overlayfs takes no directory twice: of several equal
/// layers the highest hides the others.
fn needed<'a>(image: &'a Image, source: &Source<'_>) -> Result<Vec<&'a Part>, BuildError> {
    let mut seen = HashSet::new();
    let mut needed = Vec::new();
    for part in image.parts.iter().rev() {
        if !seen.insert(part.digest) {
            continue;
        }
        let note = LayerNote::read(source.store, part.digest)?;
        let nodes = note.map(|note| note.index.nodes);
        if nodes.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        needed.push(part);
        let is_opaque_root = |nodes: Vec<crate::backend::oci::layer::Node>| {
            let mut nodes = nodes.iter();
            nodes.any(|node| node.path.is_empty() && node.kind == NodeKind::Opaque)
        };
        if nodes.is_some_and(is_opaque_root) {
            break;
        }
    }
    needed.reverse();
    Ok(needed)
}

/// The directory of a layer.
pub(super) fn tree(
    part: &Part,
    owners: Owners,
    source: &Source<'_>,
) -> Result<PathBuf, BuildError> {
    let (store, kind, layer) = (source.store, &owners.kind(), part.digest);
    if let Some(known) = store.tree(kind, layer).map_err(failed)? {
        return Ok(known);
    }
    let name = format!("tree-{kind}-{}", layer.hex());
    let whom = format!("another run that is unpacking {layer}");
    let turn = source.turn(&name, &whom).map_err(failed)?;
    let _turn = turn.ok_or(BuildError::Cancelled)?;
    if let Some(known) = store.tree(kind, layer).map_err(failed)? {
        return Ok(known);
    }
    let obtained = source.supply().obtain(&part.described());
    obtained.map_err(|error| told(error, &format!("layer {layer}")))?;
    source.notes.log(&format!("unpacking {layer}"));
    let (scratch, files) = store.new_tree().map_err(failed)?;
    let (blob, _) = store.send(layer).map_err(stored)?;
    let tar = plain(blob).map_err(failed)?;
    let unpacked = unpack::unpack(tar, &files, owners, &|| source.cancel.is_requested());
    let unpacked = unpacked.map_err(|error| match error {
        LayerError::Cancelled => BuildError::Cancelled,
        // It is not the layer that is at fault, but where it is unpacked to.
        LayerError::Damaged(error) if DirError::of(&error).is_some() => {
            failed(StoreError::Files(error))
        }
        error => BuildError::Failed(format!("layer `{layer}` cannot be unpacked: {error}")),
    })?;
    for path in &unpacked.left_out {
        let line = format!(
            "commands do not see the base's device `/{path}`: making it takes root's rights"
        );
        source.notes.log(&line);
    }
    if let Owners::Given { mode, .. } = owners
        && !unpacked.owned.is_empty()
    {
        let left = sandbox::give(mode, files.path(), &unpacked.owned);
        let left = left.map_err(|error| {
            failed(format!(
                "the files of layer `{layer}` cannot be given to their owners: {error}"
            ))
        })?;
        if let Some(path) = left {
            source.notes.log(&format!(
                "for commands, files such as `/{path}` are root's: you have no subordinate ids for their owners"
            ));
        }
    }
    store
        .keep_tree(kind, layer, unpacked.size, scratch)
        .map_err(failed)
}
