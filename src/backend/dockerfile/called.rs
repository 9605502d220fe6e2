//! Names of base images and other images within a build.

use std::collections::BTreeMap;

use crate::recipe::familiar;

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
