//! What the store has of an image: whether it is whole, for which platforms it is, and how large.

use super::common::LARGEST;
use super::config::Config;
use crate::backend::oci::manifest::{Descriptor, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::origin::Origin;
use crate::backend::oci::store::Store;
use crate::backend::platform::Platform;

/// What the store has of an image.
#[derive(Default)]
pub(super) struct Found {
    pub(super) platforms: Vec<Platform>,
    /// The size of all blobs, in bytes.
    pub(super) size: u64,
}

impl Found {
    /// Whether the store has everything that an image consists of, or knows where layers came from.
    pub(super) fn look(&mut self, store: &Store, digest: Digest) -> bool {
        let manifest = store.read_whole(digest, LARGEST).ok();
        let Some(manifest) = manifest.and_then(|bytes| Manifest::read(&bytes, None).ok()) else {
            return false;
        };
        let mut each = manifest.manifests.iter();
        if !each.all(|one| self.look(store, one.digest)) {
            return false;
        }
        let is_there =
            |blob: &Descriptor| store.size(blob.digest).is_ok_and(|size| size == blob.size);
        let can_come =
            |blob: &Descriptor| Origin::of(store, blob.digest).is_ok_and(|origin| origin.is_some());
        let (config, layers) = manifest.blobs.split_at(manifest.blobs.len().min(1));
        let mut layers = layers.iter();
        if !config.iter().all(is_there) || !layers.all(|layer| is_there(layer) || can_come(layer)) {
            return false;
        }
        let sizes = manifest.blobs.iter().filter_map(|blob| blob.size);
        self.size += sizes.sum::<u64>();
        if let Some(config) = manifest.blobs.first() {
            let config = store.read_whole(config.digest, LARGEST).ok();
            let config = config.and_then(|bytes| Config::read(&bytes).ok());
            self.platforms
                .extend(config.map(|config| config.platform()));
        }
        true
    }
}
