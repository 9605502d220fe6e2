//! Brings an image that a registry has into the store: manifests and configs, and the layers that the store lacks.

use super::base::{Source, told};
use super::common::{LARGEST, failed, stored};
use super::config::Config;
use crate::backend::oci::manifest::Manifest;
use crate::backend::oci::name::Digest;
use crate::backend::oci::origin::Origin;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::Pull;
use crate::backend::{BuildError, Job, OTHER_IMAGE, labels};

/// Fetches the image with this digest, which must have the job's key.
pub(super) fn pull(job: &Job<'_>, digest: Digest, source: &Source<'_>) -> Result<(), BuildError> {
    let name = job.reference;
    let of = Reference::read(name).ok_or_else(|| failed(format!("`{name}` is not a reference")))?;
    let gone = |error| told(error, name);
    source.notes.step(0, 0, "pulling");
    let from = Pull::new(&of, true, source.access, source.cancel).map_err(gone)?;
    let whole = source.pulled(&digest.to_string(), &from, name)?;
    for one in &whole.manifests {
        let manifest = source.pulled(&one.digest.to_string(), &from, name)?;
        describe(&manifest, &from, &of, source)?;
        if one.is_image() {
            check(&manifest, job, source)?;
        }
    }
    if whole.manifests.is_empty() {
        describe(&whole, &from, &of, source)?;
        check(&whole, job, source)?;
    }
    source.supply().whole(digest).map_err(gone)
}

/// Fetches the config of an image, and notes where its layers are.
fn describe(
    image: &Manifest,
    from: &Pull<'_>,
    of: &Reference,
    source: &Source<'_>,
) -> Result<(), BuildError> {
    let [config, layers @ ..] = image.blobs.as_slice() else {
        return Err(failed("an index of indexes is not supported"));
    };
    let fetched = source.supply().fetch(config, from);
    fetched.map_err(|error| told(error, &of.repository))?;
    Origin::keep(source.store, layers, of).map_err(failed)
}

/// Checks that an image has the job's key.
fn check(image: &Manifest, job: &Job<'_>, source: &Source<'_>) -> Result<(), BuildError> {
    let config = image.blobs.first().map(|config| config.digest);
    let config = config.ok_or_else(|| failed("it has no config"))?;
    let config = source.store.read_whole(config, LARGEST).map_err(stored)?;
    let config = Config::read(&config)
        .map_err(|error| failed(format!("its config cannot be read: {error}")))?;
    match config.label(labels::KEY) {
        Some(key) if job.key.is(key) => Ok(()),
        _ => Err(failed(OTHER_IMAGE)),
    }
}
