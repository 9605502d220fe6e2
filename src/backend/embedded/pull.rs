//! Brings an image that a registry has into the store: manifests and configs, and the layers that the store lacks; of a base that only its
//! registry has, only what is needed of it.

use super::base::{Image, Source, told};
use super::common::{LARGEST, NAME, failed, stored};
use super::config::Config;
use crate::backend::oci::known::known;
use crate::backend::oci::manifest::Manifest;
use crate::backend::oci::name::Digest;
use crate::backend::oci::origin::Origin;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::Pull;
use crate::backend::{BuildError, Job, OTHER_IMAGE, labels};

/// Fetches the image with this digest, which must have the job's key.
pub(super) fn pull(job: &Job<'_>, digest: Digest, source: &Source<'_>) -> Result<(), BuildError> {
    source.notes.step(0, 0, "pulling");
    for image in described(job.reference, digest, source)? {
        check(&image, job, source)?;
    }
    let whole = source.supply().whole(digest);
    whole.map_err(|error| told(error, job.reference))
}

impl Source<'_> {
    /// An image of the workspace that a job needs. On a machine that did not build it, its registry may be the only place that has it.
    pub(super) fn made(
        &self,
        job: &Job<'_>,
        id: &str,
        platform: &str,
    ) -> Result<Image, BuildError> {
        let base = job.base(id)?;
        if base.backend != NAME {
            return Err(BuildError::Failed(format!(
                "`{id}` is built by `{}`, whose images the embedded builder cannot reach; give both the same builder",
                base.backend
            )));
        }
        let digest = Digest::read(&base.digest);
        let digest = digest.ok_or_else(|| failed(format!("`{}` is no digest", base.digest)))?;
        let of = Reference::read(&base.reference);
        let is_remote = of.is_some_and(|of| of.has_host);
        if is_remote && known(self.store, digest).is_none() {
            described(&base.reference, digest, self)?;
        }
        self.built(digest, platform)
    }
}

/// Fetches the manifests and configs of an image with this digest, and notes where its layers are. Returns the manifests, without those of
/// attestations.
fn described(
    reference: &str,
    digest: Digest,
    source: &Source<'_>,
) -> Result<Vec<Manifest>, BuildError> {
    let of = Reference::read(reference);
    let of = of.ok_or_else(|| failed(format!("`{reference}` is not a reference")))?;
    let from = Pull::new(&of, true, source.access, source.cancel);
    let from = from.map_err(|error| told(error, reference))?;
    let whole = source.pulled(&digest.to_string(), &from, reference)?;
    if whole.manifests.is_empty() {
        describe(&whole, &from, &of, source)?;
        return Ok(vec![whole]);
    }
    let mut images = Vec::new();
    for one in &whole.manifests {
        let manifest = source.pulled(&one.digest.to_string(), &from, reference)?;
        describe(&manifest, &from, &of, source)?;
        if one.is_image() {
            images.push(manifest);
        }
    }
    Ok(images)
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
