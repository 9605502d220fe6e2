//! The outside images of one image, with what the lock file says of each.
//!
//! What a Dockerfile names is read anew with every key: an edited `FROM` must not keep the digest of another image.

use std::sync::Arc;

use super::Files;
use crate::disk::limits;
use crate::disk::read::{self, Links, Root};
use crate::recipe::{Froms, OutsideImage, Recipe, familiar, froms};
use crate::workspace::{Lock, Locked, LockedImage};

/// The outside images of one image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outside {
    /// Those that a tag names, sorted by name.
    pub images: Vec<OutsideImage>,
    /// Of each the lock's word, where that is known for all platforms that are wanted; in the same order.
    pub locked: Vec<Option<Locked>>,
    /// What a Dockerfile names in a way that only a build can read, as it is written.
    pub unread: Vec<String>,
    /// The one platform that a Dockerfile builds for whatever is asked.
    pub fixed_platform: Option<String>,
}

impl Outside {
    /// Finds them: in the recipe, and in the text of its own Dockerfile, which is the first of its files.
    pub(super) fn find(recipe: &Recipe, files: &[Arc<Files>], lock: Option<&Lock>) -> Self {
        let own = recipe.dockerfile.as_ref().zip(files.first());
        let froms = own.map(|(own, files)| match dockerfile_text(files) {
            Some(text) => froms(&text, own),
            None => Froms::default(),
        });
        let images = recipe.outside(froms.as_ref());
        let locked = |image: &OutsideImage| {
            let locked = lock?.bases.get(&image.name)?;
            let mut missing = locked.missing(&recipe.platforms);
            (image.any_platform || missing.next().is_none()).then(|| locked.clone())
        };
        Self {
            locked: images.iter().map(locked).collect(),
            images,
            fixed_platform: froms.as_ref().and_then(|froms| froms.platform.clone()),
            unread: froms.map(|froms| froms.unread).unwrap_or_default(),
        }
    }

    /// The images of which the lock knows what they are, and what.
    pub fn locks(&self) -> impl Iterator<Item = (&OutsideImage, &Locked)> {
        let each = self.images.iter().zip(&self.locked);
        each.filter_map(|(image, locked)| Some((image, locked.as_ref()?)))
    }

    /// What of the lock counts for a key, by name. Of an image for several platforms that is what is wanted of it: its index
    /// also changes with the others.
    pub(super) fn inputs(&self, platforms: &[String]) -> Vec<(String, &str)> {
        let mut inputs = Vec::new();
        for (image, locked) in self.locks() {
            let name = format!("locked {}", image.name);
            if image.any_platform || matches!(locked.image, LockedImage::Id(_)) {
                inputs.push((name, locked.image.text()));
                continue;
            }
            let digests = platforms.iter().filter_map(|platform| {
                let digest = locked.platforms.get(platform)?;
                Some((format!("{name} for {platform}"), digest.as_str()))
            });
            inputs.extend(digests);
        }
        inputs
    }

    /// The images that are whatever their tags name when they are built.
    pub fn floating(&self) -> impl Iterator<Item = &OutsideImage> {
        let each = self.images.iter().zip(&self.locked);
        each.filter(|(_, locked)| locked.is_none())
            .map(|(image, _)| image)
    }

    /// What the lock says that the image of this reference is.
    #[must_use]
    pub fn image(&self, reference: &str) -> Option<&LockedImage> {
        let name = familiar(reference);
        let mut locks = self.locks();
        let found = locks.find(|(image, _)| image.name == name);
        found.map(|(_, locked)| &locked.image)
    }
}

/// The text of a set that is one file, a Dockerfile. One that is no longer what was hashed is told of when it is sent.
pub(crate) fn dockerfile_text(files: &Files) -> Option<String> {
    let (root, folder) = files.home();
    let path = folder.join(&files.entries.first()?.path);
    let (file, meta) = Root::open(root).ok()?.file(&path, Links::Follow).ok()?;
    let bytes = read::limited(&file, &meta, limits::DOCKERFILE).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
