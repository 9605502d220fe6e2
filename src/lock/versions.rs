//! How the packages of two locks differ. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{ImagePackages, Lock};

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

/// The packages that differ between two locks, by image and name.
#[must_use]
pub fn package_changes(before: Option<&Lock>, after: &Lock) -> Vec<PackageChange> {
    let none = BTreeMap::new();
    let before = before.map_or(&none, |lock| &lock.packages);
    let images: BTreeSet<&String> = before.keys().chain(after.packages.keys()).collect();
    let mut changes = Vec::new();
    for image in images {
        let (old, new) = (
            versions(before.get(image)),
            versions(after.packages.get(image)),
        );
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

fn versions(packages: Option<&ImagePackages>) -> BTreeMap<&str, BTreeSet<String>> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let steps = packages.into_iter().flat_map(BTreeMap::values);
    let platforms = steps.flat_map(|step| step.platforms.values());
    for wheel in platforms.flat_map(|platform| &platform.wheels) {
        let of = versions.entry(&wheel.name).or_default();
        of.insert(wheel.version.clone());
    }
    versions
}
