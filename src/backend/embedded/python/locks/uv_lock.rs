//! `uv.lock`: what `uv sync --locked --no-dev --no-install-project` would install. Pure.
//!
//! Extras and groups that exclude each other are told apart in markers by names of uv's own, `extra-3-app-gpu`.

mod required;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use pep508_rs::ExtraName;
use serde::Deserialize;

use self::required::Metadata;
use super::project::Project;
use super::{Locked, Offer, SUBDIRECTORY, file_of, hash, project_name};
use crate::backend::embedded::python::address;
use crate::backend::embedded::python::environment::Environment;
use crate::backend::embedded::python::places::normal;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct UvLock {
    version: u32,
    requires_python: Option<String>,
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: String,
    version: Option<String>,
    source: toml::Table,
    #[serde(default)]
    resolution_markers: Vec<String>,
    #[serde(default)]
    dependencies: Vec<Dependency>,
    #[serde(default)]
    optional_dependencies: BTreeMap<String, Vec<Dependency>>,
    #[serde(default)]
    dev_dependencies: BTreeMap<String, Vec<Dependency>>,
    #[serde(default)]
    wheels: Vec<File>,
    sdist: Option<File>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    version: Option<String>,
    source: Option<toml::Table>,
    #[serde(default)]
    extra: Vec<String>,
    marker: Option<String>,
}

#[derive(Deserialize)]
struct File {
    url: Option<String>,
    path: Option<String>,
    filename: Option<String>,
    hash: Option<String>,
    size: Option<u64>,
}

/// What `uv sync` is asked for besides the project's dependencies.
#[derive(Debug, Default)]
pub(in super::super) struct Choice {
    pub(in super::super) extras: BTreeSet<String>,
    pub(in super::super) no_extras: BTreeSet<String>,
    pub(in super::super) all_extras: bool,
    pub(in super::super) groups: BTreeSet<String>,
    pub(in super::super) no_groups: BTreeSet<String>,
    pub(in super::super) all_groups: bool,
    pub(in super::super) no_default_groups: bool,
    /// Whether a lock file that does not fit the project is taken as it is.
    pub(in super::super) is_frozen: bool,
}

impl Choice {
    /// Reads the options of `uv sync`.
    pub(in super::super) fn of(options: &[(String, Option<String>)]) -> Self {
        let mut choice = Self::default();
        for (name, value) in options {
            let value = value.as_deref().map(normal);
            match name.as_str() {
                "--extra" => choice.extras.extend(value),
                "--no-extra" => choice.no_extras.extend(value),
                "--group" => choice.groups.extend(value),
                "--no-group" => choice.no_groups.extend(value),
                "--all-extras" => choice.all_extras = true,
                "--all-groups" => choice.all_groups = true,
                "--no-default-groups" => choice.no_default_groups = true,
                "--frozen" => choice.is_frozen = true,
                _ => {}
            }
        }
        choice.no_groups.insert("dev".to_owned());
        choice
    }
}

impl Choice {
    /// The extras that are asked for.
    fn extras(&self, root: &Package, project: &Project) -> Result<BTreeSet<String>, String> {
        let known: BTreeSet<String> = root
            .optional_dependencies
            .keys()
            .map(|it| normal(it))
            .collect();
        let mut extras = if self.all_extras {
            known.clone()
        } else {
            self.extras.clone()
        };
        extras.retain(|extra| !self.no_extras.contains(extra));
        if let Some(unknown) = extras
            .iter()
            .find(|it| !known.contains(*it) && !project.extras.contains(*it))
        {
            return Err(format!("it has no extra `{unknown}`"));
        }
        Ok(extras)
    }

    /// The groups that are asked for, with those that are asked for by default.
    fn groups(&self, root: &Package, project: &Project) -> Result<BTreeSet<String>, String> {
        let known: BTreeSet<String> = root.dev_dependencies.keys().map(|it| normal(it)).collect();
        let mut groups = self.groups.clone();
        if self.all_groups {
            groups.extend(known.iter().cloned());
        } else if !self.no_default_groups {
            match &project.default_groups {
                Some(named) => groups.extend(named.iter().cloned()),
                None => groups.extend(known.iter().cloned()),
            }
        }
        groups.retain(|group| !self.no_groups.contains(group));
        if let Some(unknown) = groups
            .iter()
            .find(|it| !known.contains(*it) && !project.groups.contains(*it))
        {
            return Err(format!("it has no group `{unknown}`"));
        }
        Ok(groups)
    }
}

/// The packages that a target wants of a project.
pub(in super::super) fn read(
    text: &str,
    project: &Project,
    choice: &Choice,
    environment: &Environment,
) -> Result<Vec<Locked>, String> {
    let lock: UvLock = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    if lock.version != 1 {
        let version = lock.version;
        return Err(format!("its version is {version}; only 1 is known"));
    }
    if let Some(requires) = &lock.requires_python
        && !environment.admits(requires)?
    {
        return Err(format!("it is for Python {requires}, not for the image's"));
    }
    project.admits(environment)?;
    let name = project
        .name
        .as_deref()
        .ok_or("its `pyproject.toml` names no project")?;
    let is_root = |package: &&Package| normal(&package.name) == name && package.is_root();
    let root = lock.package.iter().find(is_root);
    let root = root.ok_or_else(|| format!("it does not know the project `{name}`"))?;
    if !choice.is_frozen {
        root.metadata.fits(project, environment)?;
    }
    let mut walk = Walk::new(&lock, environment);
    walk.begin(root, project, choice)?;
    walk.finish(root)
}

impl Package {
    fn is_root(&self) -> bool {
        let of = |kind: &str| self.source.get(kind).and_then(toml::Value::as_str);
        of("virtual").or(of("editable")) == Some(".")
    }

    fn locked(&self, is_requested: bool) -> Result<Option<Locked>, String> {
        let name = project_name(&self.name)?;
        let from = ["git", "directory", "editable"];
        if let Some(from) = from.iter().find(|from| self.source.contains_key(**from)) {
            return Err(format!(
                "{name}: it comes from a source of kind `{from}`, which the embedded builder does not build; use a release of it, or another builder"
            ));
        }
        if self.source.contains_key("virtual") {
            return Ok(None);
        }
        if self.source.contains_key("subdirectory") {
            return Err(format!("{name}: {SUBDIRECTORY}"));
        }
        // Of an archive by its address, only the package says the address.
        let url = self.source.get("url").and_then(toml::Value::as_str);
        let wheels = self.wheels.iter().map(|file| file.offer(&name, None));
        Ok(Some(Locked {
            version: self.version.clone().unwrap_or_default(),
            wheels: wheels.collect::<Result<_, String>>()?,
            hashes: Vec::new(),
            index: None,
            sdist: self.sdist.as_ref().map(|file| file.sources(&name, url)),
            is_requested,
            name,
        }))
    }
}

impl File {
    fn name(&self, url: Option<&str>) -> String {
        let from = self.url.as_deref().or(self.path.as_deref()).or(url);
        let name = self.filename.clone();
        name.unwrap_or_else(|| file_of(from.unwrap_or_default()))
    }

    /// Sources, which matter only if no wheel does: what is wrong with them is told when they are wanted.
    fn sources(&self, package: &str, url: Option<&str>) -> Offer {
        self.offer(package, url).unwrap_or_else(|_| Offer {
            file: self.name(url),
            url: None,
            sha256: None,
            size: None,
        })
    }

    /// The file, at this address if it says no place itself.
    fn offer(&self, package: &str, url: Option<&str>) -> Result<Offer, String> {
        let file = self.name(url);
        let Some(url) = self.url.as_deref().or(url.filter(|_| self.path.is_none())) else {
            return Err(format!(
                "{package}: `{file}` is a file of the machine that wrote it, which a build does not have"
            ));
        };
        let told = |why: String| format!("{package}: {why}");
        Ok(Offer {
            url: Some(address::read(url).map_err(told)?.0.to_string()),
            sha256: self.hash.as_deref().map(hash).transpose().map_err(told)?,
            size: self.size,
            file,
        })
    }
}

/// A walk along the dependencies.
struct Walk<'a> {
    packages: &'a [Package],
    by_name: BTreeMap<String, Vec<usize>>,
    environment: &'a Environment,
    /// uv's names of the extras and groups that were asked for.
    extras: Vec<ExtraName>,
    /// What was come by: packages with an extra, or without.
    seen: BTreeSet<(usize, Option<String>)>,
    requested: BTreeSet<usize>,
    ahead: Vec<(usize, Option<String>)>,
}

impl<'a> Walk<'a> {
    fn new(lock: &'a UvLock, environment: &'a Environment) -> Self {
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, package) in lock.package.iter().enumerate() {
            by_name.entry(normal(&package.name)).or_default().push(at);
        }
        Self {
            packages: &lock.package,
            by_name,
            environment,
            extras: Vec::new(),
            seen: BTreeSet::new(),
            requested: BTreeSet::new(),
            ahead: Vec::new(),
        }
    }

    /// Goes from the project to what it wants.
    fn begin(
        &mut self,
        root: &'a Package,
        project: &Project,
        choice: &Choice,
    ) -> Result<(), String> {
        let (extras, groups) = (choice.extras(root, project)?, choice.groups(root, project)?);
        let name = normal(&root.name);
        let mark = |kind: &str, what: &String| format!("{kind}-{}-{name}-{what}", name.len());
        let marks = extras.iter().map(|extra| mark("extra", extra));
        let marks: Vec<String> = marks
            .chain(groups.iter().map(|group| mark("group", group)))
            .collect();
        self.extras = marks
            .iter()
            .filter_map(|mark| ExtraName::from_str(mark).ok())
            .collect();
        let of = |all: &'a BTreeMap<String, Vec<Dependency>>, names: &BTreeSet<String>| {
            let fits = all.iter().filter(|(name, _)| names.contains(&normal(name)));
            fits.flat_map(|(_, each)| each).collect::<Vec<_>>()
        };
        let mut wanted: Vec<&Dependency> = root.dependencies.iter().collect();
        wanted.extend(of(&root.optional_dependencies, &extras));
        wanted.extend(of(&root.dev_dependencies, &groups));
        for dependency in wanted {
            if let Some(at) = self.follow(dependency)? {
                self.requested.insert(at);
            }
        }
        Ok(())
    }

    /// Notes what a dependency leads to, if its marker holds.
    fn follow(&mut self, dependency: &Dependency) -> Result<Option<usize>, String> {
        let Dependency { name, marker, .. } = dependency;
        if let Some(marker) = marker
            && !self
                .environment
                .holds(marker, &self.extras)
                .map_err(|why| format!("{name}: {why}"))?
        {
            return Ok(None);
        }
        let at = self.find(dependency)?;
        let extras = dependency.extra.iter().map(|extra| Some(normal(extra)));
        for what in std::iter::once(None).chain(extras) {
            if self.seen.insert((at, what.clone())) {
                self.ahead.push((at, what));
            }
        }
        Ok(Some(at))
    }

    /// The package that a dependency means.
    fn find(&self, dependency: &Dependency) -> Result<usize, String> {
        let name = normal(&dependency.name);
        let mut found = self.by_name.get(&name).cloned().unwrap_or_default();
        let packages = self.packages;
        found.retain(|at| {
            dependency.version.is_none() || packages[*at].version == dependency.version
        });
        found.retain(|at| {
            dependency
                .source
                .as_ref()
                .is_none_or(|source| packages[*at].source == *source)
        });
        if found.len() > 1 {
            let mut fitting = Vec::new();
            for at in &found {
                let markers = &packages[*at].resolution_markers;
                let mut holds = markers.is_empty();
                for marker in markers {
                    holds |= self.environment.holds(marker, &self.extras)?;
                }
                fitting.extend(holds.then_some(*at));
            }
            found = fitting;
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(format!("it wants {name}, but does not list it")),
            _ => Err(format!(
                "it has several versions of {name} for the image's Python"
            )),
        }
    }

    /// Follows everything, and returns what is installed.
    fn finish(mut self, root: &'a Package) -> Result<Vec<Locked>, String> {
        while let Some((at, extra)) = self.ahead.pop() {
            let package: &'a Package = &self.packages[at];
            let wanted = match &extra {
                None if std::ptr::eq(package, root) => continue,
                None => Some(&package.dependencies),
                Some(extra) => {
                    let mut each = package.optional_dependencies.iter();
                    each.find(|(name, _)| normal(name) == *extra)
                        .map(|(_, wanted)| wanted)
                }
            };
            for dependency in wanted.into_iter().flatten() {
                self.follow(dependency)?;
            }
        }
        let seen: BTreeSet<usize> = self.seen.iter().map(|(at, _)| *at).collect();
        let mut locked: BTreeMap<String, Locked> = BTreeMap::new();
        for at in seen {
            let package = &self.packages[at];
            if std::ptr::eq(package, root) {
                continue;
            }
            if let Some(one) = package.locked(self.requested.contains(&at))?
                && let Some(other) = locked.insert(one.name.clone(), one)
            {
                let name = other.name;
                return Err(format!(
                    "it has several versions of {name} for the image's Python"
                ));
            }
        }
        Ok(locked.into_values().collect())
    }
}

#[cfg(test)]
mod tests;
