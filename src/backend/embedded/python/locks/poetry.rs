//! `poetry.lock`: what `poetry install --only main --no-root` would install. Pure.
//!
//! Since version 2.1 of the format each package says for whom it is. Before that, the dependencies are followed from those of
//! the project.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use pep508_rs::ExtraName;
use serde::Deserialize;

use super::project::Project;
use super::walk::{self, Edge, Stop, Walk};
use super::{Locked, Offer, file_of, hash, is_wheel, project_name};
use crate::backend::embedded::python::address;
use crate::backend::embedded::python::environment::Environment;
use crate::backend::embedded::python::places::normal;

#[derive(Deserialize)]
struct PoetryLock {
    #[serde(default)]
    package: Vec<Package>,
    #[serde(default)]
    extras: BTreeMap<String, Vec<String>>,
    metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata {
    lock_version: String,
    content_hash: Option<String>,
    /// Before version 2.
    #[serde(default)]
    files: BTreeMap<String, Vec<File>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    python_versions: Option<String>,
    #[serde(default)]
    groups: Option<Vec<String>>,
    markers: Option<toml::Value>,
    #[serde(default)]
    files: Vec<File>,
    /// By name: a version, a table, or several of them.
    #[serde(default)]
    dependencies: BTreeMap<String, toml::Value>,
    source: Option<Source>,
}

#[derive(Deserialize, Clone)]
struct File {
    file: String,
    hash: String,
}

#[derive(Deserialize)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    url: String,
}

/// The packages that a target wants of a project, with these extras; `None` for all extras.
pub(in super::super) fn read(
    text: &str,
    project: &Project,
    extras: Option<&BTreeSet<String>>,
    environment: &Environment,
) -> Result<Vec<Locked>, String> {
    let lock: PoetryLock = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let hashes = project.content_hashes()?;
    let is_fresh = |hash: &String| hashes.contains(hash);
    if !lock.metadata.content_hash.as_ref().is_some_and(is_fresh) {
        return Err(
            "it is out of date: `pyproject.toml` says something else; run `poetry lock`".to_owned(),
        );
    }
    project.admits(environment)?;
    let python = project.poetry.dependencies.get("python");
    if let Some(range) = python.and_then(toml::Value::as_str)
        && !walk::admits(environment, range)
    {
        return Err(format!(
            "its `pyproject.toml` is for Python {range}, not for the image's"
        ));
    }
    packages(&lock, project, extras, environment)
}

fn packages(
    lock: &PoetryLock,
    project: &Project,
    extras: Option<&BTreeSet<String>>,
    environment: &Environment,
) -> Result<Vec<Locked>, String> {
    let version = lock.metadata.lock_version.as_str();
    let parts: Vec<u32> = version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    let known: BTreeSet<String> = lock.extras.keys().map(|extra| normal(extra)).collect();
    let extras = extras.unwrap_or(&known);
    if let Some(unknown) = extras.iter().find(|extra| !known.contains(*extra)) {
        return Err(format!("it has no extra `{unknown}`"));
    }
    let wanted = match parts.as_slice() {
        [2, minor, ..] if *minor > 0 => told(lock, extras, environment)?,
        [1, 1, ..] | [2, ..] => followed(lock, project, extras, environment)?,
        _ => {
            let version = version.escape_debug();
            return Err(format!(
                "its `lock-version` is {version}; only 1.1 to 2 are known"
            ));
        }
    };
    let direct = project.named();
    let mut locked: BTreeMap<String, Locked> = BTreeMap::new();
    for at in wanted {
        let package = &lock.package[at];
        let one = package.locked(&lock.metadata.files, &direct)?;
        if let Some(other) = locked.insert(one.name.clone(), one) {
            let name = other.name;
            return Err(format!(
                "it has several versions of {name} for the image's Python"
            ));
        }
    }
    Ok(locked.into_values().collect())
}

/// The packages that say of themselves that they are wanted.
fn told(
    lock: &PoetryLock,
    extras: &BTreeSet<String>,
    environment: &Environment,
) -> Result<BTreeSet<usize>, String> {
    let extras: Vec<ExtraName> = extras
        .iter()
        .filter_map(|it| ExtraName::from_str(it).ok())
        .collect();
    let mut wanted = BTreeSet::new();
    for (at, package) in lock.package.iter().enumerate() {
        let mut groups = package.groups.iter().flatten();
        if !groups.any(|group| group == "main") {
            continue;
        }
        let marker = match &package.markers {
            Some(toml::Value::Table(each)) => each.get("main").and_then(toml::Value::as_str),
            Some(one) => one.as_str(),
            None => None,
        };
        let named = |why: String| format!("{}: {why}", normal(&package.name));
        let holds = marker.map(|marker| environment.holds(marker, &extras));
        if holds.transpose().map_err(named)?.unwrap_or(true) {
            wanted.insert(at);
        }
    }
    Ok(wanted)
}

/// The packages that the project's dependencies lead to.
fn followed(
    lock: &PoetryLock,
    project: &Project,
    extras: &BTreeSet<String>,
    environment: &Environment,
) -> Result<BTreeSet<usize>, String> {
    let of_extras = lock
        .extras
        .iter()
        .filter(|(extra, _)| extras.contains(&normal(extra)));
    let optional: BTreeSet<String> = of_extras
        .flat_map(|(_, names)| names)
        .map(|it| first_word(it))
        .collect();
    let mut walk = Walk::new(
        lock.package.iter().map(Package::stop).collect(),
        environment,
    );
    for (name, value) in &project.poetry.dependencies {
        for edge in Edge::read(name, value)? {
            if normal(name) != "python" && (!edge.is_optional || optional.contains(&edge.name)) {
                walk.follow(&edge, &[])?;
            }
        }
    }
    for (extra, text) in &project.requirements {
        if extra.as_ref().is_none_or(|extra| extras.contains(extra)) {
            walk.follow(&Edge::of_requirement(text)?, &[])?;
        }
    }
    walk.finish()
}

/// The name in `attrs (>=1)`.
fn first_word(text: &str) -> String {
    let end = text.find(|char: char| char.is_whitespace() || "([;<>=!~".contains(char));
    normal(&text[..end.unwrap_or(text.len())])
}

impl Package {
    fn stop(&self) -> Stop<'_> {
        Stop {
            name: &self.name,
            version: &self.version,
            python_versions: self.python_versions.as_deref(),
            dependencies: &self.dependencies,
        }
    }

    fn locked(
        &self,
        old: &BTreeMap<String, Vec<File>>,
        direct: &BTreeSet<String>,
    ) -> Result<Locked, String> {
        let name = project_name(&self.name)?;
        let told = |why: String| format!("{name}: {why}");
        let mut index = None;
        let mut url = None;
        match &self.source {
            None => {}
            Some(source) if source.kind == "legacy" => index = Some(source.url.clone()),
            Some(source) if source.kind == "url" => {
                url = Some(address::read(&source.url).map_err(told)?.0.to_string());
            }
            Some(source) => {
                let kind = source.kind.escape_debug();
                return Err(format!(
                    "{name}: it comes from a source of kind `{kind}`, which the embedded builder does not build; use a release of it, or another builder"
                ));
            }
        }
        let files = match old.get(&self.name) {
            Some(files) if self.files.is_empty() => files,
            _ => &self.files,
        };
        let is_wheel = |file: &&File| is_wheel(&file.file);
        let offer = |file: &File| {
            Ok(Offer {
                url: url.clone().filter(|url| file_of(url) == file.file),
                sha256: Some(hash(&file.hash).map_err(told)?),
                size: None,
                file: file.file.clone(),
            })
        };
        let wheels = files.iter().filter(is_wheel).map(offer);
        let wheels = wheels.collect::<Result<_, String>>()?;
        let sdist = files.iter().find(|file| !is_wheel(file));
        Ok(Locked {
            version: self.version.clone(),
            wheels,
            hashes: Vec::new(),
            index,
            sdist: sdist.map(offer).transpose()?,
            is_requested: direct.contains(&name),
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Libc;
    use super::super::super::testing::{mangled, target};
    use super::*;

    const PROJECT: &str = r#"
[project]
name = "app"
dependencies = ["click>=8"]
[tool.poetry.dependencies]
python = ">=3.9,<4"
requests = { version = "^2.30", extras = ["socks"] }
colorama = { version = "*", markers = "sys_platform == 'win32'" }
attrs = { version = "*", optional = true }
old = [{ version = "^1", python = "<3.10" }, { version = "^2", python = ">=3.10" }]
"#;

    /// A lock file of version 2.1; without what that version added it is one of version 2.0.
    fn lock(is_new: bool) -> String {
        let packages = [
            (
                "attrs",
                "1.0",
                "optional = true",
                "extra == \"gpu\"",
                "main",
                "",
            ),
            ("click", "8.1", "optional = false", "", "main", ""),
            (
                "colorama",
                "0.4",
                "optional = false",
                "sys_platform == \"win32\"",
                "main",
                "",
            ),
            ("iniconfig", "2.0", "optional = false", "", "dev", ""),
            (
                "old",
                "1.5",
                "python-versions = '>=3.7'",
                "python_version < \"3.10\"",
                "main",
                "",
            ),
            (
                "old",
                "2.5",
                "python-versions = '>=3.7'",
                "python_version >= \"3.10\"",
                "main",
                "",
            ),
            ("pysocks", "1.7", "optional = false", "", "main", ""),
            (
                "requests",
                "2.32",
                "optional = false",
                "",
                "main",
                "pysocks = { version = '>=1.5', optional = true, markers = 'extra == \"socks\"' }",
            ),
        ];
        let mut text = String::new();
        for (name, version, more, marker, group, dependencies) in packages {
            text += &format!("[[package]]\nname = '{name}'\nversion = '{version}'\n{more}\n");
            if is_new {
                text += &format!("groups = ['{group}']\n");
                if !marker.is_empty() {
                    text += &format!("markers = '{marker}'\n");
                }
            }
            let digest = "0".repeat(64);
            text += &format!(
                "files = [{{ file = '{name}-{version}-py3-none-any.whl', hash = 'sha256:{digest}' }}, {{ file = '{name}-{version}.tar.gz', hash = 'sha256:{digest}' }}]\n"
            );
            if !dependencies.is_empty() {
                text += &format!("[package.dependencies]\n{dependencies}\n");
            }
        }
        let version = if is_new { "2.1" } else { "2.0" };
        let [hash, _] = Project::read(PROJECT).unwrap().content_hashes().unwrap();
        text + &format!(
            "[extras]\ngpu = ['attrs (>=1)']\n[metadata]\nlock-version = '{version}'\ncontent-hash = '{hash}'\n"
        )
    }

    fn told(text: &str, extras: &[&str]) -> Result<Vec<String>, String> {
        told_of(PROJECT, text, extras)
    }

    fn told_of(project: &str, text: &str, extras: &[&str]) -> Result<Vec<String>, String> {
        let environment =
            Environment::of(&target((3, 12), "linux/amd64", Libc::Glibc(2, 36))).unwrap();
        let extras = extras.iter().map(|extra| (*extra).to_owned()).collect();
        let locked = read(
            text,
            &Project::read(project).unwrap(),
            Some(&extras),
            &environment,
        )?;
        let told = |it: &Locked| format!("{} {} {}", it.name, it.version, it.is_requested);
        Ok(locked.iter().map(told).collect())
    }

    #[test]
    fn both_versions_of_the_format_give_the_same() {
        for is_new in [true, false] {
            let plain = [
                "click 8.1 true",
                "old 2.5 true",
                "pysocks 1.7 false",
                "requests 2.32 true",
            ];
            assert_eq!(told(&lock(is_new), &[]).unwrap(), plain, "{is_new}");
            let with: Vec<String> = told(&lock(is_new), &["gpu"]).unwrap();
            assert_eq!(with.len(), 5, "{is_new}");
            assert_eq!(with[0], "attrs 1.0 true");
            assert_eq!(
                told(&lock(is_new), &["cpu"]).unwrap_err(),
                "it has no extra `cpu`"
            );
        }
    }

    #[test]
    fn a_lock_file_of_another_project_is_refused() {
        for (from, to, said) in [
            ("click>=8", "click>=9", "it is out of date"),
            ("^2.30", "^2.31", "it is out of date"),
            ("name = \"app\"", "name = \"other\"", ""),
        ] {
            let project = PROJECT.replace(from, to);
            assert_ne!(project, PROJECT);
            let error = told_of(&project, &lock(true), &[]).err();
            assert_eq!(error.is_some(), !said.is_empty(), "{from}: {error:?}");
            assert!(error.unwrap_or_default().starts_with(said), "{from}");
        }
        let bare = lock(true).replace("content-hash", "other");
        assert!(told(&bare, &[]).unwrap_err().ends_with("run `poetry lock`"));

        let newer = PROJECT.replace(">=3.9,<4", "^3.13");
        let [old, new] =
            [PROJECT, &newer].map(|it| Project::read(it).unwrap().content_hashes().unwrap());
        let text = lock(true).replace(&old[0], &new[0]);
        let error = told_of(&newer, &text, &[]).unwrap_err();
        assert!(error.contains("is for Python ^3.13"), "{error}");
    }

    #[test]
    fn sources_that_would_have_to_be_built_are_named() {
        let git = lock(true).replace(
            "name = 'click'",
            "name = 'click'\nsource = { type = 'git', url = 'https://h/x' }",
        );
        let error = told(&git, &[]).unwrap_err();
        assert!(
            error.starts_with("click: it comes from a source of kind `git`"),
            "{error}"
        );
        let strange = lock(true).replace("'2.1'", "'3.0'");
        assert!(
            told(&strange, &[])
                .unwrap_err()
                .contains("only 1.1 to 2 are known")
        );
    }

    #[test]
    fn mangled_files_are_refused_or_read() {
        for is_new in [true, false] {
            for text in mangled(&lock(is_new)) {
                let _ = told(&text, &[]);
            }
        }
    }
}
