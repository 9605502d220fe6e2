//! Where images are pulled from: the mirrors that containers' `registries.conf` names, then the registry itself.
//!
//! The file of podman and skopeo, so that what is set up for them holds here too:
//! <https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md>.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::backend::oci::reference::Reference;
use crate::disk::limits;
use crate::disk::read::{self, Links};

/// The path below the configuration directories.
const FILE: &str = "containers/registries.conf";

/// The places of the configuration, in order; the first that exists counts, and one that is named must exist.
pub(crate) fn places(env: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let env = |name: &str| env(name).filter(|path| !path.as_os_str().is_empty());
    if let Some(own) = env("CONTAINERS_REGISTRIES_CONF") {
        return vec![own];
    }
    let users = env("XDG_CONFIG_HOME").or_else(|| Some(env("HOME")?.join(".config")));
    let all = users.into_iter().chain([PathBuf::from("/etc")]);
    all.map(|folder| folder.join(FILE)).collect()
}

/// What the configuration says about registries.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Registries {
    registry: Vec<Registry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    mirror_by_digest_only: bool,
    mirror: Vec<Mirror>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Mirror {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

impl Registries {
    /// Reads the configuration in the first of these places that has one.
    pub(super) fn read(places: &[PathBuf]) -> Result<Self, String> {
        for place in places {
            let bytes = match read::bytes(place, Links::Follow, limits::CONFIGURATION) {
                Err(refusal) if refusal.is_absent() && places.len() > 1 => continue,
                read => read.map_err(|why| unreadable(place, &why))?,
            };
            let text = String::from_utf8(bytes).map_err(|error| unreadable(place, &error))?;
            return toml::from_str(&text).map_err(|error| unreadable(place, &error.message()));
        }
        Ok(Self::default())
    }

    /// Where to pull an image from, in order; `is_pinned` if by digest.
    pub(super) fn sources(
        &self,
        of: &Reference,
        is_pinned: bool,
    ) -> Result<Vec<Reference>, String> {
        let name = format!("{}/{}", of.host, of.path);
        let matching = self.registry.iter();
        let matching = matching.filter_map(|one| Some((one, one.rest(&name)?)));
        // The longest prefix leaves the shortest rest.
        let Some((registry, rest)) = matching.min_by_key(|(_, rest)| rest.len()) else {
            return Ok(vec![of.clone()]);
        };
        if registry.blocked {
            let prefix = registry.prefix();
            return Err(format!("`registries.conf` blocks `{prefix}`"));
        }
        let mirrors = registry.mirror.iter().filter(|mirror| {
            match (
                mirror.pull_from_mirror.as_str(),
                registry.mirror_by_digest_only,
            ) {
                ("digest-only", _) | ("", true) => is_pinned,
                ("tag-only", _) => !is_pinned,
                _ => true,
            }
        });
        let mut places: Vec<String> = mirrors
            .map(|mirror| format!("{}{rest}", mirror.location))
            .collect();
        places.push(match registry.location.as_str() {
            "" => name.clone(),
            location => format!("{location}{rest}"),
        });
        let each = places.iter().map(|place| moved(of, place));
        each.collect()
    }

    /// The hosts that may be spoken to without encryption.
    pub(super) fn insecure(&self) -> BTreeSet<String> {
        let mut hosts = BTreeSet::new();
        for registry in &self.registry {
            let own = registry.insecure.then(|| match registry.location.as_str() {
                "" => registry.prefix(),
                location => location,
            });
            let mirrors = registry.mirror.iter().filter(|mirror| mirror.insecure);
            let mirrors = mirrors.map(|mirror| mirror.location.as_str());
            let all = own.into_iter().chain(mirrors);
            hosts.extend(all.map(|place| place.split('/').next().unwrap_or(place).to_owned()));
        }
        hosts
    }
}

impl Registry {
    fn prefix(&self) -> &str {
        match self.prefix.as_str() {
            "" => &self.location,
            prefix => prefix,
        }
    }

    /// What follows the prefix in a name, if that begins with it: nothing, or a path with its slash.
    fn rest<'a>(&self, name: &'a str) -> Option<&'a str> {
        let prefix = self.prefix();
        if let Some(domain) = prefix.strip_prefix("*.") {
            let (host, _) = name.split_once('/')?;
            let is_below = host.strip_suffix(domain)?.ends_with('.');
            return is_below.then(|| &name[host.len()..]);
        }
        let rest = name.strip_prefix(prefix).filter(|_| !prefix.is_empty())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

/// The same image in another place.
fn moved(of: &Reference, place: &str) -> Result<Reference, String> {
    let found = Reference::read(place).filter(|found| found.digest.is_none());
    let found = found
        .ok_or_else(|| format!("`registries.conf` names `{place}`, which is no place of images"))?;
    Ok(Reference {
        tag: of.tag.clone(),
        digest: of.digest.clone(),
        ..found
    })
}

fn unreadable(place: &Path, why: &dyn std::fmt::Display) -> String {
    format!("`{}` cannot be read: {why}", place.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str, of: &str, is_pinned: bool) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("registries.conf");
        std::fs::write(&file, text).unwrap();
        let registries = Registries::read(&[folder.path().join("none"), file])?;
        let of = Reference::read(of).unwrap();
        let sources = registries.sources(&of, is_pinned)?;
        let told = |of: &Reference| format!("{}/{}:{}", of.host, of.path, of.tag);
        Ok(sources.iter().map(told).collect())
    }

    const CONF: &str = r#"
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io"
location = "hub.acme.io"
[[registry.mirror]]
location = "mirror.acme.io:5000/hub"
insecure = true
[[registry.mirror]]
location = "tags.acme.io"
pull-from-mirror = "tag-only"
[[registry]]
prefix = "docker.io/library"
[[registry]]
location = "quay.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "mirror.acme.io/quay"
[[registry]]
prefix = "*.bad.io"
blocked = true
"#;

    #[test]
    fn mirrors_come_first_by_the_longest_prefix() {
        let of = |of: &str, is_pinned| sources(CONF, of, is_pinned).unwrap();
        let hub = "hub.acme.io/team/app:2";
        let mirror = "mirror.acme.io:5000/hub/team/app:2";
        let tags = "tags.acme.io/team/app:2";
        assert_eq!(of("team/app:2", false), [mirror, tags, hub]);
        assert_eq!(of("team/app:2", true), [mirror, hub]);
        assert_eq!(of("debian", false), ["docker.io/library/debian:latest"]);
        assert_eq!(of("quay.io/a:1", false), ["quay.io/a:1"]);
        let both = ["mirror.acme.io/quay/a:1", "quay.io/a:1"];
        assert_eq!(of("quay.io/a:1", true), both);
        assert_eq!(of("quay.io.evil/a:1", true), ["quay.io.evil/a:1"]);
        assert_eq!(of("bad.io/a:1", true), ["bad.io/a:1"]);
    }

    #[test]
    fn what_is_blocked_or_cannot_be_read_is_said() {
        let why = sources(CONF, "x.bad.io/a:1", false).unwrap_err();
        assert_eq!(why, "`registries.conf` blocks `*.bad.io`");
        let why = sources("registry = 1", "a", false).unwrap_err();
        assert!(why.contains("registries.conf` cannot be read: "), "{why}");
        let wrong = "[[registry]]\nlocation = \"r.io\"\n[[registry.mirror]]\nlocation = \"a b@c\"";
        let why = sources(wrong, "r.io/a", false).unwrap_err();
        assert!(why.contains("which is no place of images"), "{why}");
        let none = [PathBuf::from("/nowhere/registries.conf")];
        assert!(Registries::read(&none).is_err());
        assert!(Registries::read(&[]).unwrap().registry.is_empty());
    }

    #[test]
    fn the_configuration_is_where_podman_looks_for_it() {
        let of = |pairs: &[(&str, &str)]| {
            let env = |name: &str| {
                let mut pairs = pairs.iter();
                let found = pairs.find(|(known, _)| *known == name);
                found.map(|(_, value)| PathBuf::from(value))
            };
            let places = places(&env).into_iter();
            places
                .map(|place| place.display().to_string())
                .collect::<Vec<_>>()
        };
        let system = "/etc/containers/registries.conf";
        assert_eq!(of(&[]), [system]);
        let home = "/h/.config/containers/registries.conf";
        assert_eq!(of(&[("HOME", "/h")]), [home, system]);
        let own = "/c/containers/registries.conf";
        assert_eq!(
            of(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/c")]),
            [own, system]
        );
        assert_eq!(
            of(&[("HOME", "/h"), ("CONTAINERS_REGISTRIES_CONF", "/x")]),
            ["/x"]
        );
    }

    #[test]
    fn only_what_is_said_to_be_insecure_is() {
        let registries: Registries = toml::from_str(CONF).unwrap();
        let hosts: Vec<String> = registries.insecure().into_iter().collect();
        assert_eq!(hosts, ["mirror.acme.io:5000"]);
    }
}
