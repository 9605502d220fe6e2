//! Brings an image to its registry: blobs first, then manifests, then the name.

use super::base::{Source, told};
use super::common::{LARGEST, at_once, failed};
use crate::backend::oci::manifest::{Descriptor, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{Transfer, TransferError};
use crate::backend::{BuildError, Job};
use crate::recipe::repository;
use crate::spec::Base;

/// Pushes the image with this digest under the job's reference.
pub(super) fn push(job: &Job<'_>, digest: Digest, source: &Source<'_>) -> Result<(), BuildError> {
    let of = Reference::read(job.reference)
        .ok_or_else(|| BuildError::Failed(format!("`{}` is not a reference", job.reference)))?;
    let to = Transfer::new(&of, source.access, source.cancel);
    let mount = mount(job, &of);
    let gone = |error| told(error, job.reference);
    let bytes = source.store.read_whole(digest, LARGEST).map_err(failed)?;
    let manifest = read(&bytes)?;
    for one in &manifest.manifests {
        let bytes = source
            .store
            .read_whole(one.digest, LARGEST)
            .map_err(failed)?;
        let image = read(&bytes)?;
        send(&image.blobs, &to, source, mount.as_deref()).map_err(gone)?;
        let name = one.digest.to_string();
        to.put_manifest(&name, &image.media_type, &bytes)
            .map_err(gone)?;
    }
    send(&manifest.blobs, &to, source, mount.as_deref()).map_err(gone)?;
    to.put_manifest(&of.tag, &manifest.media_type, &bytes)
        .map_err(gone)
}

/// The repository of the base, if it is in the same registry: blobs that it has need not be sent.
fn mount(job: &Job<'_>, of: &Reference) -> Option<String> {
    let base = match &job.recipe.base {
        Base::Image(id) => &job.bases.get(id)?.reference,
        Base::Registry(reference) => reference,
        Base::File { .. } | Base::Scratch => return None,
    };
    let base = Reference::read(repository(base))?;
    (base.host == of.host && base.path != of.path).then_some(base.path)
}

fn read(bytes: &[u8]) -> Result<Manifest, BuildError> {
    Manifest::read(bytes, None).map_err(|error| failed(format!("a manifest of the store: {error}")))
}

fn send(
    blobs: &[Descriptor],
    to: &Transfer<'_>,
    source: &Source<'_>,
    mount: Option<&str>,
) -> Result<(), TransferError> {
    let bring = |blob: &Descriptor| {
        let size = blob.size.unwrap_or_default();
        to.bring(blob.digest, size, source.store, mount)
    };
    at_once(blobs, bring).map(drop)
}
