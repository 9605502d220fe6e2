//! Which build of Python a version means: the entry of uv's list of downloads. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::backend::embedded::python::Libc;
use crate::backend::oci::name::Digest;
use crate::backend::platform::Platform;

/// An archive with a Python that runs from any directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Build {
    /// The directory that uv gives it: `cpython-3.12.7-linux-x86_64-gnu`.
    pub(super) directory: String,
    /// Such as `python3.12`.
    pub(super) name: String,
    pub(super) url: String,
    pub(super) sha256: Digest,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    arch: Architecture,
    os: String,
    libc: String,
    major: u32,
    minor: u32,
    patch: u32,
    #[serde(default)]
    prerelease: Option<String>,
    url: String,
    sha256: Option<String>,
    #[serde(default)]
    variant: Option<String>,
}

#[derive(Deserialize)]
struct Architecture {
    family: String,
    #[serde(default)]
    variant: Option<String>,
}

/// The newest build of this version in the list, for this system.
pub(super) fn choose(
    list: &[u8],
    version: &str,
    platform: &Platform,
    libc: Libc,
) -> Result<Build, String> {
    let list: BTreeMap<String, Listed> = serde_json::from_slice(list)
        .map_err(|error| format!("the list cannot be read: {error}"))?;
    let family = family(platform)?;
    let libc = match (libc, family) {
        (Libc::Musl(..), _) => "musl",
        (Libc::Glibc(..), "armv7") => "gnueabihf",
        (Libc::Glibc(..), _) => "gnu",
    };
    let mut numbers = Vec::new();
    for part in version.split('.') {
        let number = part.parse::<u32>();
        numbers.push(number.map_err(|_| format!("`{version}` is no version of the form 3.12"))?);
    }
    let is_it = |listed: &&Listed| {
        let own = [listed.major, listed.minor, listed.patch];
        listed.name == "cpython"
            && listed.os == "linux"
            && listed.arch.family == family
            && listed.arch.variant.is_none()
            && listed.libc == libc
            && listed.variant.as_deref().unwrap_or_default().is_empty()
            && listed.prerelease.as_deref().unwrap_or_default().is_empty()
            && own.starts_with(&numbers)
    };
    let found = list
        .values()
        .filter(is_it)
        .max_by_key(|listed| listed.patch);
    let found = found
        .ok_or_else(|| format!("the list has no Python {version} for {platform} with {libc}"))?;
    let sha256 = found.sha256.as_deref().unwrap_or_default();
    let sha256 = Digest::read(&format!("sha256:{sha256}"))
        .ok_or_else(|| format!("the list has no sha256 of `{}`", found.url))?;
    let (major, minor, patch) = (found.major, found.minor, found.patch);
    Ok(Build {
        directory: format!("cpython-{major}.{minor}.{patch}-linux-{family}-{libc}"),
        name: format!("python{major}.{minor}"),
        url: found.url.clone(),
        sha256,
    })
}

fn family(platform: &Platform) -> Result<&'static str, String> {
    match (platform.architecture.as_str(), platform.variant.as_str()) {
        ("amd64", _) => Ok("x86_64"),
        ("arm64", _) => Ok("aarch64"),
        ("arm", "" | "v7") => Ok("armv7"),
        ("386", _) => Ok("i686"),
        ("ppc64le", _) => Ok("powerpc64le"),
        ("s390x", _) => Ok("s390x"),
        ("riscv64", _) => Ok("riscv64"),
        _ => Err(format!("there is no managed Python for {platform}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Vec<u8> {
        let mut all = serde_json::Map::new();
        let mut add = |name: &str, patch: u32, more: serde_json::Value| {
            let mut one = serde_json::json!({
                "name": "cpython", "arch": {"family": "x86_64", "variant": null}, "os": "linux", "libc": "gnu",
                "major": 3, "minor": 12, "patch": patch, "prerelease": "", "variant": null, "build": "1",
                "url": format!("https://example.com/{patch}.tar.gz"), "sha256": "0".repeat(64),
            });
            for (name, value) in more.as_object().unwrap() {
                one[name] = value.clone();
            }
            all.insert(name.to_owned(), one);
        };
        add("a", 4, serde_json::json!({}));
        add("b", 10, serde_json::json!({}));
        add("c", 11, serde_json::json!({"variant": "freethreaded"}));
        add("d", 12, serde_json::json!({"prerelease": "rc1"}));
        add("e", 13, serde_json::json!({"libc": "musl"}));
        add("f", 14, serde_json::json!({"os": "darwin", "libc": "none"}));
        add(
            "g",
            15,
            serde_json::json!({"arch": {"family": "x86_64", "variant": "v3"}}),
        );
        add("h", 16, serde_json::json!({"minor": 13, "sha256": null}));
        serde_json::to_vec(&all).unwrap()
    }

    #[test]
    fn the_newest_of_the_wanted_version_is_chosen() {
        let platform = Platform::read("linux/amd64");
        let choose = |version: &str, libc| choose(&list(), version, &platform, libc);
        let glibc = Libc::Glibc(2, 36);
        let found = choose("3.12", glibc).unwrap();
        assert_eq!(found.directory, "cpython-3.12.10-linux-x86_64-gnu");
        assert_eq!(
            (found.name.as_str(), found.url.as_str()),
            ("python3.12", "https://example.com/10.tar.gz")
        );
        assert_eq!(
            choose("3.12.4", glibc).unwrap().directory,
            "cpython-3.12.4-linux-x86_64-gnu"
        );
        assert_eq!(
            choose("3.12", Libc::Musl(1, 2)).unwrap().directory,
            "cpython-3.12.13-linux-x86_64-musl"
        );
        assert!(
            choose("3.1", glibc)
                .unwrap_err()
                .contains("no Python 3.1 for linux/amd64 with gnu")
        );
        assert!(choose("3.13", glibc).unwrap_err().contains("no sha256"));
        assert!(choose("3.x", glibc).unwrap_err().contains("no version"));
        assert!(super::choose(b"[]", "3.12", &platform, glibc).is_err());
    }
}
