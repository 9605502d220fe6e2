//! Names of base images and other images within a build.

use std::collections::BTreeMap;

use crate::backend::Job;
use crate::recipe::familiar;
use crate::spec::Base;
use crate::workspace::LockedImage;

/// Names to use in `FROM` for images that need a different one than in the manifest.
#[derive(Debug, Default)]
pub(crate) struct Called {
    /// Names of the workspace images that the recipe needs, by image id.
    pub(crate) parents: BTreeMap<String, String>,
    /// Names of locked registry images, by reference as Docker displays it.
    pub(crate) locked: BTreeMap<String, String>,
}

impl Called {
    /// The name for a registry image.
    pub(super) fn outside<'a>(&'a self, reference: &'a str) -> &'a str {
        let locked = self.locked.get(&familiar(reference));
        locked.map_or(reference, String::as_str)
    }
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
