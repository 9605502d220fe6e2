//! The labels that identify an image, whichever builder made it.

use super::Job;
pub(crate) use super::label_names::{IMAGE, KEY, PLATFORM};
use crate::spec::Base;
use crate::workspace::LockedImage;

/// OCI's standard label for the reference of the base image.
pub(crate) const BASE: &str = "org.opencontainers.image.base.name";

/// OCI's standard label for the digest of the base image.
pub(crate) const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// Whether a label's name is reserved for imgspec, so that no manifest may set it.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with("dev.imgspec.")
}

/// The labels that identify an image, identical for identical keys, without time or version of imgspec; then the
/// user's.
pub(crate) fn of(job: &Job<'_>) -> Vec<(String, String)> {
    let base = match &job.recipe.base {
        Base::Image(id) => job.bases.get(id).map(|base| base.reference.clone()),
        Base::Registry(reference) => Some(reference.clone()),
        Base::File { .. } | Base::Debian(_) | Base::Scratch => None,
    };
    let own = [
        (KEY, Some(job.key.to_string())),
        (IMAGE, Some(job.image.to_owned())),
        (BASE, base),
        (BASE_DIGEST, base_digest(job).map(str::to_owned)),
    ];
    let own = own.into_iter();
    let own = own.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let said = job.recipe.config.labels.iter();
    let said = said.filter(|(name, _)| !is_reserved(name));
    own.chain(said.cloned()).collect()
}

/// The digest of a job's base, if the base is locked by digest.
pub(crate) fn base_digest<'a>(job: &Job<'a>) -> Option<&'a str> {
    let Base::Registry(reference) = &job.recipe.base else {
        return None;
    };
    match job.outside.image(reference)? {
        LockedImage::Digest(digest) => Some(digest),
        LockedImage::Id(_) => None,
    }
}
