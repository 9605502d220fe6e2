//! The `pyproject.toml` beside a lock file: what the project is called, and what it asks for. Pure.

use std::collections::{BTreeMap, BTreeSet};

use pep508_rs::Requirement;
use serde::Deserialize;

use super::super::environment::{Environment, read_requirement};
use super::content_hash::content_hashes;
use crate::backend::embedded::python::places::normal;

/// A project, as far as its lock file needs it.
#[derive(Debug, Default)]
pub(in super::super) struct Project {
    /// Normalized.
    pub(super) name: Option<String>,
    pub(super) extras: BTreeSet<String>,
    pub(super) groups: BTreeSet<String>,
    /// The groups that uv installs unless told otherwise; `None` for all.
    pub(super) default_groups: Option<BTreeSet<String>>,
    /// Whether a build would have to tell its dependencies.
    pub(super) is_dynamic: bool,
    pub(super) poetry: Poetry,
    /// Requirements of `[project]` by extra; the first without.
    pub(super) requirements: Vec<(Option<String>, String)>,
    /// `[tool.uv.sources]`, by normalized name.
    pub(super) sources: BTreeMap<String, Vec<toml::Table>>,
    requires_python: Option<String>,
    dependency_groups: BTreeMap<String, toml::Value>,
    dev_dependencies: Vec<String>,
    /// All of the file.
    written: toml::Table,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct File {
    project: Option<Table>,
    dependency_groups: BTreeMap<String, toml::Value>,
    tool: Tools,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Table {
    name: String,
    requires_python: Option<String>,
    dependencies: Vec<String>,
    optional_dependencies: BTreeMap<String, Vec<String>>,
    dynamic: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tools {
    uv: Uv,
    poetry: Poetry,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
struct Uv {
    default_groups: Option<toml::Value>,
    dev_dependencies: Option<Vec<String>>,
    sources: BTreeMap<String, Sources>,
}

/// Where uv takes a package from: one place, or several with a marker each.
#[derive(Deserialize)]
#[serde(untagged)]
enum Sources {
    One(toml::Table),
    Several(Vec<toml::Table>),
}

/// `[tool.poetry]`.
#[derive(Deserialize, Default, Debug)]
#[serde(default)]
pub(in super::super) struct Poetry {
    /// By name: a version, a table, or several of them.
    pub(super) dependencies: BTreeMap<String, toml::Value>,
}

impl Project {
    pub(in super::super) fn read(text: &str) -> Result<Self, String> {
        let told = |error: toml::de::Error| format!("`pyproject.toml`: {}", error.message());
        let written: toml::Table = toml::from_str(text).map_err(told)?;
        let file: File = written.clone().try_into().map_err(told)?;
        let mut this = Self {
            written,
            poetry: file.tool.poetry,
            ..Self::default()
        };
        this.take_uv(file.tool.uv);
        this.groups
            .extend(file.dependency_groups.keys().map(|it| normal(it)));
        this.dependency_groups = file.dependency_groups;
        if let Some(table) = file.project {
            this.take_table(table);
        }
        for (_, text) in &this.requirements {
            requirement(text)?;
        }
        Ok(this)
    }

    fn take_uv(&mut self, uv: Uv) {
        let names = |value: &toml::Value| {
            let names = value.as_array().into_iter().flatten();
            names.filter_map(|name| name.as_str().map(normal)).collect()
        };
        self.default_groups = match &uv.default_groups {
            None => Some(BTreeSet::from(["dev".to_owned()])),
            Some(toml::Value::String(all)) if all == "all" => None,
            Some(chosen) => Some(names(chosen)),
        };
        self.groups
            .extend(uv.dev_dependencies.iter().map(|_| "dev".to_owned()));
        self.dev_dependencies = uv.dev_dependencies.unwrap_or_default();
        let sources = uv.sources.into_iter().map(|(name, sources)| {
            let each = match sources {
                Sources::One(one) => vec![one],
                Sources::Several(several) => several,
            };
            (normal(&name), each)
        });
        self.sources = sources.collect();
    }

    fn take_table(&mut self, table: Table) {
        self.name = Some(normal(&table.name));
        self.requires_python = table.requires_python;
        let optional = &table.optional_dependencies;
        self.extras = optional.keys().map(|it| normal(it)).collect();
        let own = table.dependencies.into_iter().map(|text| (None, text));
        let optional = table.optional_dependencies.into_iter();
        let optional = optional.flat_map(|(extra, each)| {
            let extra = normal(&extra);
            each.into_iter()
                .map(move |text| (Some(extra.clone()), text))
        });
        self.requirements = own.chain(optional).collect();
        let is_dynamic =
            |name: &String| matches!(name.as_str(), "dependencies" | "optional-dependencies");
        self.is_dynamic = table.dynamic.iter().any(is_dynamic);
    }

    /// The names of what it asks for itself.
    pub(super) fn named(&self) -> BTreeSet<String> {
        let own = self.poetry.dependencies.keys().map(|name| normal(name));
        let read = self.requirements.iter();
        let read = read.filter_map(|(_, text)| requirement(text).ok());
        own.chain(read.map(|it| normal(it.name.as_ref()))).collect()
    }

    /// An error if the project does not want the image's Python.
    pub(super) fn admits(&self, environment: &Environment) -> Result<(), String> {
        match &self.requires_python {
            Some(requires) if !environment.admits(requires)? => Err(format!(
                "its `pyproject.toml` is for Python {requires}, not for the image's"
            )),
            _ => Ok(()),
        }
    }

    /// The hashes of what Poetry locks of it, any of which a lock file has that belongs to it.
    pub(super) fn content_hashes(&self) -> Result<[String; 2], String> {
        content_hashes(&self.written).map_err(|error| format!("`pyproject.toml`: {error}"))
    }

    /// Requirements of `[dependency-groups]`, and of `[tool.uv]` for the group `dev`, by group.
    pub(super) fn group_requirements(&self) -> Result<Vec<(String, String)>, String> {
        let mut found = Vec::new();
        for name in self.dependency_groups.keys() {
            let group = normal(name);
            let mut texts = Vec::new();
            self.collect(&group, &mut BTreeSet::new(), &mut texts)?;
            found.extend(texts.into_iter().map(|text| (group.clone(), text)));
        }
        let dev = self.dev_dependencies.iter();
        found.extend(dev.map(|text| ("dev".to_owned(), text.clone())));
        Ok(found)
    }

    /// Adds the requirements of a group, with those of the groups that it includes.
    fn collect(
        &self,
        group: &str,
        seen: &mut BTreeSet<String>,
        texts: &mut Vec<String>,
    ) -> Result<(), String> {
        if !seen.insert(group.to_owned()) {
            return Ok(());
        }
        let unusable = || format!("`pyproject.toml`: the group `{group}` cannot be read");
        if seen.len() > DEEPEST {
            return Err(unusable());
        }
        let mut groups = self.dependency_groups.iter();
        let found = groups.find(|(name, _)| normal(name) == *group);
        let listed = found.and_then(|(_, listed)| listed.as_array());
        for one in listed.ok_or_else(unusable)? {
            match one {
                toml::Value::String(text) => texts.push(text.clone()),
                one => {
                    let other = one.get("include-group").and_then(toml::Value::as_str);
                    self.collect(&normal(other.ok_or_else(unusable)?), seen, texts)?;
                }
            }
        }
        Ok(())
    }
}

/// The most groups that one includes; each may be within the one before.
const DEEPEST: usize = 100;

/// Reads a requirement of a project.
pub(super) fn requirement(text: &str) -> Result<Requirement, String> {
    read_requirement(text).ok_or_else(|| {
        format!(
            "`pyproject.toml`: `{}` is not a requirement",
            text.escape_debug()
        )
    })
}
