//! What the store has of an image: whether it is whole, for which platforms it is, and how large.

use super::common::LARGEST;
use super::config::Config;
use crate::backend::oci::known::known;
use crate::backend::oci::manifest::Manifest;
use crate::backend::oci::name::Digest;
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
        let Some(manifests) = known(store, digest) else {
            return false;
        };
        for manifest in &manifests {
            self.add(store, manifest);
        }
        true
    }

    fn add(&mut self, store: &Store, manifest: &Manifest) {
        let sizes = manifest.blobs.iter().filter_map(|blob| blob.size);
        self.size += sizes.sum::<u64>();
        if let Some(config) = manifest.blobs.first() {
            let config = store.read_whole(config.digest, LARGEST).ok();
            let config = config.and_then(|bytes| Config::read(&bytes).ok());
            self.platforms
                .extend(config.map(|config| config.platform()));
        }
    }
}
