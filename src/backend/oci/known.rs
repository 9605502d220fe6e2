//! What the store knows of an image: its manifests, if nothing of it is missing that could not be fetched.

use super::manifest::{Descriptor, LARGEST, Manifest};
use super::name::Digest;
use super::origin::Origin;
use super::store::Store;

/// The manifests of an image: its own, or after its index those of each platform. `None` unless the store has everything
/// that it consists of, or knows where layers came from. A manifest alone says nothing: whoever brought it may have been
/// killed before the rest came.
pub(in crate::backend) fn known(store: &Store, digest: Digest) -> Option<Vec<Manifest>> {
    let bytes = store.read_whole(digest, LARGEST).ok()?;
    let manifest = Manifest::read(&bytes, None).ok()?;
    let is_there = |blob: &Descriptor| store.size(blob.digest).is_ok_and(|size| size == blob.size);
    let can_come =
        |blob: &Descriptor| Origin::of(store, blob.digest).is_ok_and(|origin| origin.is_some());
    let (config, layers) = manifest.blobs.split_at(manifest.blobs.len().min(1));
    let mut layers = layers.iter();
    if !config.iter().all(is_there) || !layers.all(|layer| is_there(layer) || can_come(layer)) {
        return None;
    }
    let parts = manifest
        .manifests
        .iter()
        .map(|one| known(store, one.digest));
    let parts: Vec<Vec<Manifest>> = parts.collect::<Option<_>>()?;
    let all = [vec![manifest]].into_iter().chain(parts);
    Some(all.flatten().collect())
}
