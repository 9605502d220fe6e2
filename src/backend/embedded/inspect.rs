//! What images consist of, by their manifests and configs: of the store, or of a registry. No layer is read.

use super::base::{LayerNote, of_platform, read, told};
use super::common::{LARGEST, failed, stored};
use crate::backend::BuildError;
use crate::backend::details::Details;
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{Access, Transfer};
use crate::backend::oci::store::Store;
use crate::cancel::Cancel;

/// An image of the store, by the digest of its manifest or index.
pub(super) fn of_store(
    store: &Store,
    digest: Digest,
    platform: Option<&str>,
) -> Result<Details, BuildError> {
    let read = |digest: Digest| store.read_whole(digest, LARGEST).map_err(stored);
    details(
        &digest.to_string(),
        (digest, read(digest)?),
        platform,
        &read,
        &read,
    )
}

/// An image of a registry.
pub(super) fn of_registry(
    reference: &str,
    platform: Option<&str>,
    access: &Access,
    cancel: &Cancel,
) -> Result<Details, BuildError> {
    let of = Reference::read(reference)
        .ok_or_else(|| BuildError::Failed(format!("`{reference}` is not a reference")))?;
    let from = Transfer::new(&of, access, cancel);
    let gone = |error| told(error, reference);
    let name = of.digest.as_deref().unwrap_or(&of.tag);
    let first = from.manifest(name).map_err(gone)?;
    let manifest = |digest: Digest| {
        let found = from.manifest(&digest.to_string());
        found.map(|(_, bytes)| bytes).map_err(gone)
    };
    let config = |digest: Digest| from.small(digest).map_err(gone);
    details(reference, first, platform, &manifest, &config)
}

/// Adds the sizes of the layers whose contents the store has seen.
pub(super) fn measure(store: &Store, details: &mut Details) {
    for layer in &mut details.layers {
        let digest = Digest::read(&layer.digest);
        let note = digest.and_then(|digest| LayerNote::read(store, digest).ok().flatten());
        layer.unpacked = note.map(|note| note.size);
    }
}

type Read<'a> = &'a dyn Fn(Digest) -> Result<Vec<u8>, BuildError>;

fn details(
    name: &str,
    (mut digest, bytes): (Digest, Vec<u8>),
    platform: Option<&str>,
    manifest_of: Read<'_>,
    config_of: Read<'_>,
) -> Result<Details, BuildError> {
    let mut manifest = read(&bytes)?;
    if manifest.blobs.is_empty() {
        let mut images = manifest.manifests.iter().filter(|one| one.is_image());
        digest = match (platform, images.next()) {
            (Some(platform), _) => of_platform(&manifest, platform, name)?,
            (None, Some(first)) => first.digest,
            (None, None) => return Err(failed(format!("`{name}` has no images"))),
        };
        manifest = read(&manifest_of(digest)?)?;
    }
    let config = manifest.blobs.first();
    let config = config.ok_or_else(|| failed(format!("`{name}` has no config")))?;
    let found = Details::of(digest, &manifest, &config_of(config.digest)?);
    let found =
        found.map_err(|error| failed(format!("`{name}`: its config cannot be read: {error}")))?;
    match platform {
        Some(platform)
            if !crate::backend::platform::Platform::read(&found.platform).is(platform) =>
        {
            let is = &found.platform;
            Err(failed(format!("`{name}` is for {is}, not for {platform}")))
        }
        _ => Ok(found),
    }
}
