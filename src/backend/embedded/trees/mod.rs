//! The layers of an image as directories, for steps that run something. Each is unpacked once.

mod attributes;
#[cfg(test)]
mod tests;
mod unpack;

use std::io::{self, PipeWriter};
use std::path::PathBuf;
use std::thread;

use super::base::{Image, Part, Source, told};
use super::common::{at_once, failed, mode, stored};
use crate::backend::BuildError;
use crate::backend::oci::layer::{Layer, LayerError, plain};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::{StoreError, Turn};
use crate::backend::sandbox;
use crate::disk::dir::{Dir, DirError};
pub(super) use attributes::{OPAQUE, OWNER, Owners, is_carried};
use unpack::Unpacked;

/// How owners are kept in what commands see; where no command can run, all files belong to the user that builds.
pub(super) fn here() -> Owners {
    mode().map_or(Owners::Own, Owners::of)
}

/// The directories of an image's layers, the lowest first.
pub(super) fn of(
    image: &Image,
    owners: Owners,
    source: &Source<'_>,
) -> Result<Vec<PathBuf>, BuildError> {
    at_once(&image.seen, |part| tree(part, owners, source))
}

/// Writes a layer, and unpacks it meanwhile; `write` is given where all bytes of its tar are to go.
pub(super) fn meanwhile(
    owners: Owners,
    source: &Source<'_>,
    write: impl FnOnce(PipeWriter) -> Result<Layer, BuildError>,
) -> Result<Layer, BuildError> {
    let (store, kind) = (source.store, &owners.kind());
    let (scratch, files) = store.new_tree().map_err(failed)?;
    let (plain, tap) = io::pipe().map_err(failed)?;
    let (layer, unpacked) = thread::scope(|scope| {
        let is_cancelled = || source.cancel.is_requested();
        let files = &files;
        let unpacking = scope.spawn(move || unpack::unpack(plain, files, owners, &is_cancelled));
        (write(tap), unpacking.join())
    });
    let layer = layer?;
    // What went wrong is told when the tree is needed, and it is made again.
    let Ok(Ok(unpacked)) = unpacked else {
        return Ok(layer);
    };
    let digest = layer.blob.digest;
    if let Some(_turn) = turn(kind, digest, source)?
        && store.tree(kind, digest).map_err(failed)?.is_none()
    {
        give(owners, &files, digest, &unpacked, source)?;
        let kept = store.keep_tree(kind, digest, unpacked.size, scratch);
        kept.map_err(failed)?;
    }
    Ok(layer)
}

/// The turn to unpack a layer; `None` if the build is cancelled.
fn turn(kind: &str, layer: Digest, source: &Source<'_>) -> Result<Option<Turn>, BuildError> {
    let name = format!("tree-{kind}-{}", layer.hex());
    let whom = format!("another run that is unpacking {layer}");
    source.turn(&name, &whom).map_err(failed)
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
    let _turn = turn(kind, layer, source)?.ok_or(BuildError::Cancelled)?;
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
    give(owners, &files, layer, &unpacked, source)?;
    store
        .keep_tree(kind, layer, unpacked.size, scratch)
        .map_err(failed)
}

/// Gives the files of an unpacked layer to their owners, as far as those are others.
fn give(
    owners: Owners,
    files: &Dir,
    layer: Digest,
    unpacked: &Unpacked,
    source: &Source<'_>,
) -> Result<(), BuildError> {
    let Owners::Given { mode, .. } = owners else {
        return Ok(());
    };
    if unpacked.owned.is_empty() {
        return Ok(());
    }
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
    Ok(())
}
