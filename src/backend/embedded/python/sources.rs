//! Source distributions as files: what their names and their own metadata say. Pure.

use std::str::FromStr;

use pep440_rs::Version;
use pep508_rs::{Requirement, VersionOrUrl};

use super::Wheel;
use super::environment::read_requirement;
use super::places::normal;
use crate::backend::BuildError;
use crate::backend::packages::sources_stem;

/// Knows what sources need.
pub(in super::super) trait Describe: Sync {
    /// The metadata of the wheel that is made of these sources; without making it, if they promise what that will say.
    fn metadata(&self, sources: &Wheel) -> Result<String, BuildError>;
}

/// Whether a file is a wheel, by its name.
pub(in super::super) fn is_wheel(file: &str) -> bool {
    file.strip_suffix(".whl").is_some()
}

/// The version in the name of a source distribution of this project.
pub(in super::super) fn version_of(file: &str, project: &str) -> Option<String> {
    let stem = sources_stem(file)?;
    let mut dashes = stem.match_indices('-').map(|(at, _)| stem.split_at(at));
    let (_, version) = dashes
        .find(|(name, rest)| normal(name) == project && Version::from_str(&rest[1..]).is_ok())?;
    Some(version[1..].to_owned())
}

/// Whether two spellings are the same version: `1.0` is `1.0.0`.
pub(in super::super) fn same_version(one: &str, other: &str) -> bool {
    // In file names, `_` stands for `-`.
    let read = |text: &str| Version::from_str(&text.replace('_', "-")).ok();
    one == other || matches!((read(one), read(other)), (Some(one), Some(other)) if one == other)
}

/// What a package says that it needs to be built, on one line. It comes from strangers, and is no file of this machine.
pub(in super::super) fn requirement(text: &str) -> Result<String, String> {
    let read = read_requirement(text);
    let is_named = |read: &Requirement| !matches!(read.version_or_url, Some(VersionOrUrl::Url(_)));
    match read.filter(is_named) {
        Some(read) => Ok(read.to_string()),
        None => Err(format!(
            "it needs `{}` to be built, which is not the name of a package with a range of versions",
            text.escape_debug()
        )),
    }
}

/// Whether the metadata of sources says what that of their wheel will: since version 2.2, unless it calls fields dynamic.
pub(in super::super) fn is_final(metadata: &str) -> bool {
    let fields = || {
        let head = metadata.lines().take_while(|line| !line.trim().is_empty());
        head.filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
    };
    let mut versions = fields().filter(|(name, _)| name == "metadata-version");
    let version = versions.next().and_then(|(_, version)| {
        let (major, minor) = version.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    let decides = |field: &str| {
        [
            "requires-dist",
            "requires-python",
            "provides-extra",
            "version",
        ]
        .iter()
        .any(|name| field.eq_ignore_ascii_case(name))
    };
    let is_open = fields().any(|(name, value)| name == "dynamic" && decides(value));
    version.is_some_and(|version| version >= (2, 2)) && !is_open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_names_of_sources() {
        for (file, project, version) in [
            ("foo-1.0.tar.gz", "foo", Some("1.0")),
            ("Foo_Bar-1.0.post1.tgz", "foo-bar", Some("1.0.post1")),
            ("foo-bar-2.0.zip", "foo-bar", Some("2.0")),
            ("foo-bar-2.0.tar.gz", "foo", None),
            ("foo-1.0-py3-none-any.whl", "foo", None),
            ("foo.tar.gz", "foo", None),
            ("foo-1.0/../../x-1.tar.gz", "foo", None),
            ("-1.0.tar.gz", "", None),
            ("foo-é.tar.gz", "foo", None),
        ] {
            assert_eq!(version_of(file, project).as_deref(), version, "{file}");
        }
    }

    #[test]
    fn what_a_build_needs_is_a_name_on_one_line() {
        assert_eq!(
            requirement("setuptools[x]>=40 ;\n python_version>'3'").unwrap(),
            "setuptools[x]>=40 ; python_full_version >= '3.1'"
        );
        for wrong in [
            "-r /etc/passwd",
            "--index-url=https://h",
            "a\n-r /etc/passwd",
            "a @ file:///etc/passwd",
            "./here",
            "",
        ] {
            let why = requirement(wrong).unwrap_err();
            assert!(why.contains("not the name of a package"), "{why}");
        }
    }

    #[test]
    fn metadata_counts_only_if_it_promises_to_stay() {
        for (metadata, is) in [
            ("Metadata-Version: 2.2\nName: a\nVersion: 1\n", true),
            ("metadata-version: 2.4\nDynamic: Classifier\n", true),
            ("Metadata-Version: 2.1\nName: a\n", false),
            ("Metadata-Version: 2.2\nDynamic: Requires-Dist\n", false),
            ("Metadata-Version: 2.10\n\nDynamic: requires-dist\n", true),
            ("Name: a\n\nMetadata-Version: 2.2\n", false),
            ("Metadata-Version: x\n", false),
            ("", false),
        ] {
            assert_eq!(is_final(metadata), is, "{metadata}");
        }
    }
}
