//! `pylock.toml` (PEP 751), which uv also writes when it resolves: <https://packaging.python.org/en/latest/specifications/pylock-toml/>. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Locked, Offer, SUBDIRECTORY, file_of, hash, is_wheel, project_name};
use crate::backend::embedded::python::address;
use crate::backend::embedded::python::environment::Environment;
use crate::backend::embedded::python::places::normal;
use crate::backend::embedded::python::sources::version_of;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Pylock {
    lock_version: String,
    requires_python: Option<String>,
    #[serde(default)]
    environments: Vec<String>,
    /// Those that are installed unless others are asked for.
    #[serde(default)]
    default_groups: Vec<String>,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    requires_python: Option<String>,
    #[serde(default)]
    wheels: Vec<File>,
    sdist: Option<File>,
    archive: Option<File>,
    vcs: Option<toml::Table>,
    directory: Option<toml::Table>,
}

#[derive(Deserialize)]
struct File {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    size: Option<u64>,
    subdirectory: Option<String>,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
}

/// The packages that a target wants.
pub(in super::super) fn read(text: &str, environment: &Environment) -> Result<Vec<Locked>, String> {
    let lock: Pylock = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if !(lock.lock_version == "1.0" || lock.lock_version.starts_with("1.")) {
        let version = lock.lock_version.escape_debug();
        return Err(format!("its `lock-version` is {version}; only 1 is known"));
    }
    if let Some(requires) = &lock.requires_python
        && !environment.admits(requires)?
    {
        return Err(format!("it is for Python {requires}, not for the image's"));
    }
    let mut is_for_it = lock.environments.is_empty();
    for marker in &lock.environments {
        is_for_it |= environment.holds(marker, &[])?;
    }
    if !is_for_it {
        return Err("none of its `environments` is that of the image".to_owned());
    }
    let groups = lock.default_groups.iter().map(|it| normal(it)).collect();
    let mut locked: Vec<Locked> = Vec::new();
    for package in lock.packages {
        let name = project_name(&package.name)?;
        if let Some(marker) = &package.marker
            && !environment
                .holds(&settled(marker, &groups), &[])
                .map_err(|why| format!("{name}: {why}"))?
        {
            continue;
        }
        if locked.iter().any(|known| known.name == name) {
            return Err(format!(
                "it has two versions of {name} for the image's Python"
            ));
        }
        let one = package.locked(name.clone(), environment);
        locked.push(one.map_err(|why| format!("{name}: {why}"))?);
    }
    Ok(locked)
}

/// A marker without questions for extras, of which there are none, and for groups, which are these:
/// `'dev' in dependency_groups`.
fn settled(marker: &str, groups: &BTreeSet<String>) -> String {
    let mut settled = String::new();
    let mut rest = marker;
    while let Some(start) = rest.find(['\'', '"']) {
        let literal = &rest[start + 1..];
        let Some((value, after)) = literal.split_once(&rest[start..=start]) else {
            break;
        };
        settled += &rest[..start];
        if let Some((is_in, set, after)) = membership(after) {
            let has = set == GROUPS && groups.contains(&normal(value));
            settled += if has == is_in { TRUE } else { FALSE };
            rest = after;
        } else {
            settled += &rest[start..rest.len() - after.len()];
            rest = after;
        }
    }
    settled + rest
}

const GROUPS: &str = "dependency_groups";
const TRUE: &str = "os_name != ''";
const FALSE: &str = "os_name == ''";

/// What follows a name of which a marker asks whether it is among extras or groups: whether it is to be, among which, and the
/// rest.
fn membership(text: &str) -> Option<(bool, &'static str, &str)> {
    let text = text.trim_start();
    let not = text.strip_prefix("not").map(str::trim_start);
    let set = not.unwrap_or(text).strip_prefix("in")?;
    let set = set.trim_start();
    ["extras", GROUPS]
        .into_iter()
        .find_map(|name| Some((not.is_none(), name, set.strip_prefix(name)?)))
}

impl Package {
    fn locked(self, name: String, environment: &Environment) -> Result<Locked, String> {
        if let Some(requires) = &self.requires_python
            && !environment.admits(requires)?
        {
            return Err(format!("it needs Python {requires}"));
        }
        let from = match (&self.vcs, &self.directory) {
            (Some(_), _) => Some("a repository"),
            (_, Some(_)) => Some("a directory"),
            _ => None,
        };
        if let Some(from) = from {
            return Err(format!(
                "it comes from {from}, which the embedded builder does not build; use a release of it, or another builder"
            ));
        }
        let mut sdist = self.sdist.map(File::sources);
        let mut wheels = Vec::new();
        for file in self.wheels {
            wheels.push(file.offer()?);
        }
        if let Some(archive) = self.archive {
            if archive.subdirectory.is_some() {
                return Err(SUBDIRECTORY.to_owned());
            }
            let offer = archive.offer()?;
            if is_wheel(&offer.file) {
                wheels.push(offer);
            } else {
                sdist = Some(offer);
            }
        }
        let of_file = || match wheels.first() {
            Some(wheel) => Some(super::WheelName::read(&wheel.file)?.version),
            None => version_of(&sdist.as_ref()?.file, &name),
        };
        let version = self.version.clone().or_else(of_file).unwrap_or_default();
        Ok(Locked {
            name,
            version,
            wheels,
            hashes: Vec::new(),
            index: None,
            sdist,
            is_requested: false,
        })
    }
}

impl File {
    fn file(&self) -> String {
        let from = self.url.as_deref().or(self.path.as_deref());
        let name = self.name.clone();
        name.unwrap_or_else(|| file_of(from.unwrap_or_default()))
    }

    /// Sources, which matter only if no wheel does: what is wrong with them is told when they are wanted.
    fn sources(self) -> Offer {
        let file = self.file();
        self.offer().unwrap_or(Offer {
            file,
            url: None,
            sha256: None,
            size: None,
        })
    }

    fn offer(self) -> Result<Offer, String> {
        let file = self.file();
        let Some(url) = &self.url else {
            return Err(format!(
                "`{file}` is a file of the machine that wrote it, which a build does not have"
            ));
        };
        let sha256 = self
            .hashes
            .get("sha256")
            .map(|hex| hash(&format!("sha256:{hex}")))
            .transpose()?;
        if sha256.is_none() {
            return Err(format!("`{file}` has no sha256 hash"));
        }
        Ok(Offer {
            url: Some(address::read(url)?.0.as_str().to_owned()),
            sha256,
            size: self.size,
            file,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Libc;
    use super::super::super::environment::Environment;
    use super::super::super::testing::{mangled, target};
    use super::*;

    const LOCK: &str = r#"
lock-version = "1.0"
requires-python = ">=3.9"
environments = ["sys_platform == 'linux'", "sys_platform == 'darwin'"]
created-by = "x"
[[packages]]
name = "Six"
version = "1.17.0"
wheels = [{ url = "https://u:p@h/six-1.17.0-py2.py3-none-any.whl", size = 11050, hashes = { sha256 = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274" } }]
[[packages]]
name = "only"
marker = "python_version < '3.0'"
vcs = { type = "git", url = "https://h/x", commit-id = "00" }
[[packages]]
name = "direct"
archive = { url = "https://h/direct-2.0-py3-none-any.whl", hashes = { sha256 = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274" } }
[[packages]]
name = "sources"
version = "3"
sdist = { url = "https://h/sources-3.tar.gz", hashes = { sha256 = "00" } }
"#;

    fn environment() -> Environment {
        Environment::of(&target((3, 12), "linux/amd64", Libc::Glibc(2, 36))).unwrap()
    }

    #[test]
    fn packages_of_the_image_are_read_with_their_files() {
        let read = read(LOCK, &environment()).unwrap();
        let told: Vec<_> = read
            .iter()
            .map(|it| {
                (
                    it.name.as_str(),
                    it.version.as_str(),
                    it.wheels.len(),
                    it.sdist.as_ref().map(|sdist| sdist.file.as_str()),
                )
            })
            .collect();
        let wanted = [
            ("six", "1.17.0", 1, None),
            ("direct", "2.0", 1, None),
            ("sources", "3", 0, Some("sources-3.tar.gz")),
        ];
        assert_eq!(told, wanted);
        let six = &read[0].wheels[0];
        assert_eq!(
            six.url.as_deref(),
            Some("https://h/six-1.17.0-py2.py3-none-any.whl")
        );
        assert_eq!(
            (six.size, six.file.as_str()),
            (Some(11050), "six-1.17.0-py2.py3-none-any.whl")
        );
    }

    #[test]
    fn what_cannot_be_had_is_said_by_name() {
        let environment = environment();
        for (from, to, said) in [
            (
                "marker = \"python_version < '3.0'\"",
                "",
                "only: it comes from a repository",
            ),
            (
                "requires-python = \">=3.9\"",
                "requires-python = \">=3.13\"",
                "for Python >=3.13",
            ),
            (
                "'linux'\", \"sys_platform == 'darwin'\"",
                "'win32'\"",
                "`environments`",
            ),
            (
                "lock-version = \"1.0\"",
                "lock-version = \"2.0\"",
                "only 1 is known",
            ),
            ("\"direct\"", "\"six\"", "two versions of six"),
            (
                "url = \"https://u:p@h/six",
                "path = \"six",
                "six: `six-1.17.0-py2.py3-none-any.whl` is a file of the machine",
            ),
            (
                "https://u:p@h/six",
                "file:///h/six",
                "six: packages are fetched by `https`",
            ),
            ("sha256 = \"4721", "sha256 = \"472", "is not a sha256"),
            ("\"Six\"", "\"../six\"", "is not the name of a package"),
        ] {
            let text = LOCK.replacen(from, to, 1);
            assert_ne!(text, LOCK, "{from}");
            let error = read(&text, &environment).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_file_for_several_uses_gives_its_default_groups() {
        let names = |marker: &str, groups: &str| {
            let text = LOCK
                .replace(
                    "python_version < '3.0'",
                    "python_version < '3.0' and 'x' not in extras",
                )
                .replace(
                    "created-by = \"x\"",
                    &format!("created-by = \"pdm\"\n{groups}"),
                )
                .replace(
                    "name = \"Six\"",
                    &format!("name = \"Six\"\nmarker = {marker:?}"),
                );
            let read = read(&text, &environment()).unwrap();
            read.iter().any(|it| it.name == "six")
        };
        let groups = "default-groups = [\"default\", \"Web_App\"]";
        for (marker, is_in) in [
            ("'default' in dependency_groups", true),
            (
                "\"web-app\" in dependency_groups and os_name == 'posix'",
                true,
            ),
            ("'dev' in dependency_groups", false),
            ("'dev' not in dependency_groups", true),
            ("'default'  not   in dependency_groups", false),
            ("'gpu' in extras", false),
            (
                "'dev' in dependency_groups or ('default' in dependency_groups and 'gpu' not in extras)",
                true,
            ),
            (
                "python_version >= '3' and 'default' in dependency_groups",
                true,
            ),
        ] {
            assert_eq!(names(marker, groups), is_in, "{marker}");
        }
        assert!(!names("'default' in dependency_groups", ""));
    }

    #[test]
    fn mangled_files_are_refused_or_read() {
        let environment = environment();
        for text in mangled(LOCK) {
            let _ = read(&text, &environment);
        }
    }
}
