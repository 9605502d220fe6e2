//! What one image takes from outside, images and Python packages, with the entries in the lock file.
//!
//! Dockerfiles are parsed anew for every key: an edited `FROM` must not retain the digest of another image.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::files::{Entry, Files};
use crate::disk::limits;
use crate::disk::read::{self, Links, Root};
use crate::recipe::{Froms, OutsideImage, Recipe, familiar, froms};
use crate::workspace::{
    DebianField, Lock, Locked, LockedImage, PlatformDebs, PlatformPackages, StepPackages,
};

/// What one image takes from outside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outside {
    /// Images named by tag, sorted by name.
    pub images: Vec<OutsideImage>,
    /// The lock entry of each, in the same order; `None` unless it covers all requested platforms.
    pub locked: Vec<Option<Locked>>,
    /// References in a Dockerfile that only a build can resolve, verbatim.
    pub unread: Vec<String>,
    /// The platform that a Dockerfile always builds for, whatever is requested.
    pub fixed_platform: Option<String>,
    /// How the lock pins the packages of each step that installs some; empty if it has none of this image.
    pub packages: Vec<Pins>,
    /// How the lock pins the Debian packages of each field; empty if it has none of this image.
    pub debian: BTreeMap<DebianField, Pins<PlatformDebs>>,
}

/// How the lock pins the packages of a step, of one kind on each platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pins<P = PlatformPackages> {
    /// Not at all.
    Open,
    /// It has packages for other inputs, another base or other platforms, which are not used.
    Stale,
    /// By these packages.
    Locked(Arc<StepPackages<P>>),
}

impl Outside {
    /// Finds the images in the recipe and in its own Dockerfile, which is the first of its files; not yet how packages are
    /// locked.
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
            ..Self::default()
        }
    }

    /// The locked images with their entries.
    pub fn locks(&self) -> impl Iterator<Item = (&OutsideImage, &Locked)> {
        let each = self.images.iter().zip(&self.locked);
        each.filter_map(|(image, locked)| Some((image, locked.as_ref()?)))
    }

    /// The parts of the lock that enter the key, by name. For multi-platform images these are the digests of the
    /// requested platforms: the index also changes with the others.
    pub(super) fn inputs(&self, platforms: &[String]) -> Vec<(String, Cow<'_, str>)> {
        let mut inputs = Vec::new();
        for (image, locked) in self.locks() {
            let name = format!("locked {}", image.name);
            if image.any_platform || matches!(locked.image, LockedImage::Id(_)) {
                inputs.push((name, locked.image.text().into()));
                continue;
            }
            let digests = platforms.iter().filter_map(|platform| {
                let digest = locked.platforms.get(platform)?;
                Some((format!("{name} for {platform}"), digest.as_str().into()))
            });
            inputs.extend(digests);
        }
        for step in 0..self.packages.len() {
            let which = match step {
                0 => String::new(),
                step => format!(" ({})", step + 1),
            };
            for platform in platforms {
                let wheels = self.wheels(step, platform).into_iter();
                inputs.extend(wheels.flat_map(|locked| &locked.wheels).map(|wheel| {
                    let name = format!("locked {} for {platform}{which}", wheel.name);
                    (name, format!("{} {}", wheel.version, wheel.sha256).into())
                }));
            }
        }
        for field in self.debian.keys() {
            for platform in platforms {
                let debs = self.debs(*field, platform).into_iter();
                inputs.extend(debs.flat_map(|locked| &locked.debs).map(|deb| {
                    let name = format!("locked {} for {platform} ({})", deb.name, field.name());
                    (name, format!("{} {}", deb.version, deb.sha256).into())
                }));
            }
        }
        inputs
    }

    /// The locked Debian packages of a field on a platform, if the lock pins them.
    #[must_use]
    pub fn debs(&self, field: DebianField, platform: &str) -> Option<&PlatformDebs> {
        match self.debian.get(&field)? {
            Pins::Locked(locked) => locked.platforms.get(platform),
            Pins::Open | Pins::Stale => None,
        }
    }

    /// The locked packages of a step on a platform, if the lock pins them; the steps that install packages count from 0.
    #[must_use]
    pub fn wheels(&self, step: usize, platform: &str) -> Option<&PlatformPackages> {
        match self.packages.get(step)? {
            Pins::Locked(locked) => locked.platforms.get(platform),
            Pins::Open | Pins::Stale => None,
        }
    }

    /// The images that are not locked: a build takes whatever their tags point to.
    pub fn floating(&self) -> impl Iterator<Item = &OutsideImage> {
        let each = self.images.iter().zip(&self.locked);
        each.filter(|(_, locked)| locked.is_none())
            .map(|(image, _)| image)
    }

    /// The lock's digest or id of the image with this reference.
    #[must_use]
    pub fn image(&self, reference: &str) -> Option<&LockedImage> {
        let name = familiar(reference);
        let mut locks = self.locks();
        let found = locks.find(|(image, _)| image.name == name);
        found.map(|(_, locked)| &locked.image)
    }
}

/// The text of a set that consists of one file, a Dockerfile.
pub(crate) fn dockerfile_text(files: &Files) -> Option<String> {
    text(files, files.entries.first()?, limits::DOCKERFILE)
}

/// The text of a file of a set. If the file changed since it was hashed, this is detected when it is sent.
pub(super) fn text(files: &Files, entry: &Entry, limit: u64) -> Option<String> {
    let (root, folder) = files.home();
    let path = folder.join(&entry.path);
    let (file, meta) = Root::open(root).ok()?.file(&path, Links::Follow).ok()?;
    let bytes = read::limited(&file, &meta, limit).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
