//! What the images that a build stands on are called in it.

use std::collections::BTreeMap;

use crate::backend::Job;
use crate::recipe::familiar;
use crate::spec::Base;
use crate::workspace::LockedImage;

/// What images are called for `FROM`, where that is not what people call them.
#[derive(Debug, Default)]
pub(crate) struct Called {
    /// The images of the workspace that the recipe needs, by id.
    pub(crate) parents: BTreeMap<String, String>,
    /// Images of registries that are locked, by reference as Docker shows it.
    pub(crate) locked: BTreeMap<String, String>,
}

impl Called {
    /// What an image of a registry is called.
    pub(super) fn outside<'a>(&'a self, reference: &'a str) -> &'a str {
        let locked = self.locked.get(&familiar(reference));
        locked.map_or(reference, String::as_str)
    }
}

/// The digest of a job's base, where the lock says it.
pub(crate) fn base_digest<'a>(job: &Job<'a>) -> Option<&'a str> {
    let Base::Registry(reference) = &job.recipe.base else {
        return None;
    };
    match job.outside.image(reference)? {
        LockedImage::Digest(digest) => Some(digest),
        LockedImage::Id(_) => None,
    }
}
