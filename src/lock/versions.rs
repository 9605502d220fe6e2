//! How the packages of two locks differ. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{Lock, debs_of};

/// A package that another version of the lock has in another version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackageChange {
    /// Id of the image.
    pub image: String,
    /// The package.
    pub name: String,
    /// Its versions before, one unless platforms differ; empty if it is new.
    pub before: BTreeSet<String>,
    /// Its versions after; empty if it is gone.
    pub after: BTreeSet<String>,
}

/// The packages that differ between two locks, by image and name. The lists of [`new_debian`] are left out: they are as long
/// as a system has packages.
#[must_use]
pub fn package_changes(before: Option<&Lock>, after: &Lock) -> Vec<PackageChange> {
    let none = Lock::default();
    let before = before.unwrap_or(&none);
    let new = new_debian(Some(before), after);
    let images: BTreeSet<&String> = before
        .packages
        .keys()
        .chain(after.packages.keys())
        .collect();
    let images: BTreeSet<&String> = images
        .into_iter()
        .chain(before.debian.keys().chain(after.debian.keys()))
        .collect();
    let mut changes = Vec::new();
    for image in images {
        let is_new = new.iter().any(|(id, _)| id == image);
        let old = versions(before, image, !is_new);
        let new = versions(after, image, !is_new);
        let names: BTreeSet<&&str> = old.keys().chain(new.keys()).collect();
        let of = |versions: &BTreeMap<&str, BTreeSet<String>>, name: &str| {
            versions.get(name).cloned().unwrap_or_default()
        };
        let each = names.into_iter().map(|name| PackageChange {
            image: image.clone(),
            name: (*name).to_owned(),
            before: of(&old, name),
            after: of(&new, name),
        });
        changes.extend(each.filter(|change| change.before != change.after));
    }
    changes
}

/// Ids of images whose Debian packages only the second lock has, and how many those are.
#[must_use]
pub fn new_debian(before: Option<&Lock>, after: &Lock) -> Vec<(String, usize)> {
    let is_known = |image: &String| before.is_some_and(|lock| lock.debian.contains_key(image));
    let new = after.debian.iter().filter(|(image, _)| !is_known(image));
    let new = new.map(|(image, debs)| {
        let names: BTreeSet<&str> = debs_of(debs).map(|deb| deb.name.as_str()).collect();
        (image.clone(), names.len())
    });
    new.collect()
}

/// The versions of all packages of an image.
fn versions<'a>(
    lock: &'a Lock,
    image: &str,
    with_debian: bool,
) -> BTreeMap<&'a str, BTreeSet<String>> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let steps = lock.packages.get(image).into_iter();
    let platforms = steps
        .flat_map(BTreeMap::values)
        .flat_map(|step| step.platforms.values());
    let wheels = platforms.flat_map(|platform| &platform.wheels);
    let wheels = wheels.map(|wheel| (&wheel.name, &wheel.version));
    let debs = lock.debian.get(image).filter(|_| with_debian);
    let debs = debs.into_iter().flat_map(debs_of);
    let debs = debs.map(|deb| (&deb.name, &deb.version));
    for (name, version) in wheels.chain(debs) {
        versions.entry(name).or_default().insert(version.clone());
    }
    versions
}
