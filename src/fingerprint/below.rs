//! What locked packages were resolved on: a digest of what the lock has below them, so that a list on something else is seen to
//! be stale without resolving anything. Pure.

use std::collections::BTreeMap;

use super::hash::Hash;
use crate::recipe::{DebianBelow, DebianOf, PythonOf, familiar};
use crate::workspace::{DebianField, ImageDebs, Locked, PlatformDebs};

/// What is locked of these lists of Debian packages for a platform; `None` if that is not all of them.
#[must_use]
pub fn debian_locked<'l, 'a>(
    lists: impl Iterator<Item = (&'a str, DebianField)>,
    locked: &'l BTreeMap<String, ImageDebs>,
    platform: &str,
) -> Option<Vec<&'l PlatformDebs>> {
    let lists = lists.map(|(image, field)| {
        let list = locked.get(image)?.get(&field)?;
        list.platforms.get(platform)
    });
    lists.collect()
}

/// What is locked of the outside image below these packages.
#[must_use]
pub fn debian_outside<'l>(
    of: &DebianOf<'_>,
    bases: &'l BTreeMap<String, Locked>,
    platform: &str,
) -> Option<&'l str> {
    match of.lowest {
        DebianBelow::Outside(reference) => bases.get(&familiar(reference))?.on(platform),
        _ => None,
    }
}

/// The digest of what packages are resolved on: an outside image, with these lists on it.
#[must_use]
pub fn debian_below(outside: Option<&str>, lists: &[&PlatformDebs]) -> Option<String> {
    if lists.is_empty() {
        return outside.map(str::to_owned);
    }
    let mut hash = Hash::new("imgspec 2026 debian below v1");
    hash.text(outside.unwrap_or_default());
    for deb in lists.iter().flat_map(|list| &list.debs) {
        hash.text(&deb.name);
        hash.text(&deb.sha256);
    }
    Some(hash.words())
}

/// The digest of what the lock has of what a Python is on, and of the Debian packages that it comes with, if all of them are
/// locked.
#[must_use]
pub fn python_base(
    python: &PythonOf<'_>,
    bases: &BTreeMap<String, Locked>,
    debian: &BTreeMap<String, ImageDebs>,
    platform: &str,
) -> Option<String> {
    let outside = python.outside.and_then(|it| bases.get(&familiar(it)));
    let outside = outside.and_then(|locked| locked.on(platform));
    let lists = debian_locked(python.debian.iter().copied(), debian, platform);
    debian_below(outside, &lists.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::recipe::PythonSource;
    use crate::workspace::{LockedDeb, StepPackages};

    fn list(version: &str) -> Arc<StepPackages<PlatformDebs>> {
        let deb = LockedDeb {
            name: "python3-minimal".to_owned(),
            version: version.to_owned(),
            architecture: "amd64".to_owned(),
            sha256: format!("sha256:{version}"),
            size: 1,
            url: "https://deb.test/python3-minimal.deb".to_owned(),
            is_requested: false,
        };
        let platform = PlatformDebs {
            base: None,
            debs: vec![deb],
        };
        Arc::new(StepPackages {
            inputs: String::new(),
            platforms: BTreeMap::from([("linux/amd64".to_owned(), platform)]),
        })
    }

    #[test]
    fn a_python_of_debian_packages_moves_with_them() {
        let python = PythonOf {
            source: PythonSource::Debian("os"),
            outside: None,
            file: None,
            debian: vec![("os", DebianField::Base), ("os", DebianField::Apt)],
        };
        let of = |base: &str, apt: Option<&str>| {
            let apt = apt.map(|version| (DebianField::Apt, list(version)));
            let fields = [(DebianField::Base, list(base))].into_iter().chain(apt);
            let debian = BTreeMap::from([("os".to_owned(), fields.collect())]);
            python_base(&python, &BTreeMap::new(), &debian, "linux/amd64")
        };
        assert_eq!(of("1", Some("3.11.2")), of("1", Some("3.11.2")));
        assert_ne!(of("1", Some("3.11.2")), of("1", Some("3.11.3")));
        assert_ne!(of("1", Some("3.11.2")), of("2", Some("3.11.2")));
        assert_eq!(of("1", None), None);
    }
}
