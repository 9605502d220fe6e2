//! Whether packages are all that they need, by the metadata of their wheels: a file with hashes may list only what its project
//! names, and leave the rest to a resolver. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use pep440_rs::Version;
use pep508_rs::{ExtraName, Requirement, VersionOrUrl};

use super::environment::{Environment, read_requirement};
use super::places::normal;

/// A package: its version, and the metadata of its wheel.
pub(super) struct Described {
    pub(super) version: String,
    pub(super) metadata: String,
}

/// Whether these packages, by name, need no other ones, and no other versions of each other. Each is wanted with its extras.
pub(super) fn are_whole(
    packages: &BTreeMap<String, Described>,
    extras: &BTreeMap<String, Vec<ExtraName>>,
    environment: &Environment,
) -> bool {
    let asked = |name: &String| extras.get(name).into_iter().flatten().cloned();
    let mut wanted: BTreeMap<String, BTreeSet<ExtraName>> = packages
        .keys()
        .map(|name| (name.clone(), asked(name).collect()))
        .collect();
    let mut ahead: Vec<String> = wanted.keys().cloned().collect();
    while let Some(name) = ahead.pop() {
        let extras: Vec<ExtraName> = wanted[&name].iter().cloned().collect();
        for text in dependencies(&packages[&name].metadata) {
            // What cannot be read here is uv's to judge.
            let Some(needed) = read_requirement(text) else {
                return false;
            };
            let holds = needed
                .marker
                .try_to_string()
                .map(|marker| environment.holds(&marker, &extras));
            match holds.unwrap_or(Ok(true)) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(_) => return false,
            }
            let name = normal(needed.name.as_ref());
            let Some(with) = wanted.get_mut(&name) else {
                return false;
            };
            if !is_met(&needed, &packages[&name].version) {
                return false;
            }
            let before = with.len();
            with.extend(needed.extras);
            if with.len() > before {
                ahead.push(name);
            }
        }
    }
    true
}

fn is_met(needed: &Requirement, version: &str) -> bool {
    match &needed.version_or_url {
        Some(VersionOrUrl::VersionSpecifier(range)) => {
            Version::from_str(version).is_ok_and(|version| range.contains(&version))
        }
        Some(VersionOrUrl::Url(_)) | None => true,
    }
}

/// The values of the fields `Requires-Dist`.
fn dependencies(metadata: &str) -> impl Iterator<Item = &str> {
    let head = metadata.lines().take_while(|line| !line.trim().is_empty());
    head.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("requires-dist")
            .then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::super::Libc;
    use super::super::testing::target;
    use super::*;

    fn whole(packages: &[(&str, &str, &[&str])], extras: &[&str]) -> bool {
        let target = target((3, 12), "linux/amd64", Libc::Glibc(2, 36));
        let environment = Environment::of(&target).unwrap();
        let described = |(name, version, needs): &(&str, &str, &[&str])| {
            let needs = needs.iter().map(|it| format!("Requires-Dist: {it}\n"));
            let needs: String = needs.collect();
            let described = Described {
                version: (*version).to_owned(),
                metadata: format!("Name: {name}\n{needs}\nRequires-Dist: only-prose\n"),
            };
            ((*name).to_owned(), described)
        };
        let extras = extras.iter().map(|it| ExtraName::from_str(it).unwrap());
        are_whole(
            &packages.iter().map(described).collect(),
            &BTreeMap::from([("flask".to_owned(), extras.collect())]),
            &environment,
        )
    }

    #[test]
    fn packages_are_whole_with_all_that_they_need_and_only_then() {
        let needs: &[&str] = &[
            "Click>=8; python_version > '3.8'",
            "colorama; sys_platform == 'win32'",
            "asgiref[tests]>=3; extra == 'async'",
        ];
        let flask = ("flask", "3.0", needs);
        let click = ("click", "8.1", &[][..]);
        let asgiref: (&str, &str, &[&str]) = ("asgiref", "3.8", &["pytest; extra == 'tests'"]);
        let pytest = ("pytest", "8", &[][..]);
        assert!(whole(&[flask, click], &[]));
        assert!(!whole(&[flask], &[]));
        assert!(!whole(&[flask, ("click", "7.0", &[])], &[]));
        assert!(!whole(&[flask, click], &["async"]));
        assert!(!whole(&[flask, click, asgiref], &["async"]));
        assert!(whole(&[flask, click, asgiref, pytest], &["async"]));
        assert!(whole(&[flask, click, asgiref], &[]));
        assert!(!whole(&[("odd", "1", &["== what"])], &[]));
        assert!(whole(&[("round", "1", &["round[x]; extra != 'y'"])], &[]));
    }
}
