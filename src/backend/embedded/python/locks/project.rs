//! The `pyproject.toml` beside a lock file: what the project is called, and what it asks for. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use pep440_rs::VersionSpecifiers;
use pep508_rs::VersionOrUrl;
use serde::Deserialize;

use super::super::environment::read_requirement;
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
    /// Names and version ranges of its dependencies, with those of its extras; `None` if a build would have to tell.
    dependencies: Option<Vec<(String, String)>>,
    pub(super) poetry: Poetry,
    /// Requirements of `[project]` by extra; the first without.
    pub(super) requirements: Vec<(Option<String>, String)>,
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
    dev_dependencies: Option<toml::Value>,
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
        let file: File = toml::from_str(text)
            .map_err(|error| format!("`pyproject.toml`: {}", error.message()))?;
        let names = |value: &toml::Value| {
            let names = value.as_array().into_iter().flatten();
            names.filter_map(|name| name.as_str().map(normal)).collect()
        };
        let default_groups = match &file.tool.uv.default_groups {
            None => Some(BTreeSet::from(["dev".to_owned()])),
            Some(toml::Value::String(all)) if all == "all" => None,
            Some(chosen) => Some(names(chosen)),
        };
        let mut groups: BTreeSet<String> =
            file.dependency_groups.keys().map(|it| normal(it)).collect();
        groups.extend(
            file.tool
                .uv
                .dev_dependencies
                .iter()
                .map(|_| "dev".to_owned()),
        );
        let mut this = Self {
            default_groups,
            groups,
            poetry: file.tool.poetry,
            ..Self::default()
        };
        let Some(table) = file.project else {
            return Ok(this);
        };
        this.name = Some(normal(&table.name));
        this.extras = table
            .optional_dependencies
            .keys()
            .map(|it| normal(it))
            .collect();
        let own = table.dependencies.into_iter().map(|text| (None, text));
        let optional = table.optional_dependencies.into_iter();
        let optional = optional.flat_map(|(extra, each)| {
            let extra = normal(&extra);
            each.into_iter()
                .map(move |text| (Some(extra.clone()), text))
        });
        this.requirements = own.chain(optional).collect();
        let is_dynamic =
            |name: &String| matches!(name.as_str(), "dependencies" | "optional-dependencies");
        if !table.dynamic.iter().any(is_dynamic) {
            let pairs = this.requirements.iter().map(|(_, text)| pair(text));
            this.dependencies = Some(pairs.collect::<Result<_, String>>()?);
        }
        Ok(this)
    }

    /// The names of what it asks for itself.
    pub(super) fn named(&self) -> BTreeSet<String> {
        let own = self.poetry.dependencies.keys().map(|name| normal(name));
        let texts = self
            .requirements
            .iter()
            .filter_map(|(_, text)| pair(text).ok());
        own.chain(texts.map(|(name, _)| name)).collect()
    }

    /// Compares what a lock file was made for, as names and version ranges, with what the project asks for.
    pub(super) fn fits<'a>(
        &self,
        locked: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), String> {
        let Some(own) = &self.dependencies else {
            return Ok(());
        };
        let canonical = |(name, range): (&str, &str)| (normal(name), canonical(range));
        let locked: BTreeSet<_> = locked.map(canonical).collect();
        let own: BTreeSet<_> = own.iter().cloned().collect();
        match own.symmetric_difference(&locked).next() {
            None => Ok(()),
            Some((name, _)) => Err(format!(
                "it is out of date: `pyproject.toml` says something else about `{name}`; run `uv lock`"
            )),
        }
    }
}

/// Name and version range of a requirement.
fn pair(text: &str) -> Result<(String, String), String> {
    let unusable = || {
        format!(
            "`pyproject.toml`: `{}` is not a requirement",
            text.escape_debug()
        )
    };
    if text.len() > LONGEST {
        return Err(unusable());
    }
    let read = read_requirement(text).ok_or_else(unusable)?;
    let range = match &read.version_or_url {
        Some(VersionOrUrl::VersionSpecifier(range)) => canonical(&range.to_string()),
        Some(VersionOrUrl::Url(_)) | None => String::new(),
    };
    Ok((normal(read.name.as_ref()), range))
}

/// The longest requirement, in bytes.
const LONGEST: usize = 16 << 10;

/// A version range with its parts in order.
fn canonical(range: &str) -> String {
    let Ok(read) = VersionSpecifiers::from_str(range) else {
        return range.to_owned();
    };
    let mut parts: Vec<String> = read.iter().map(ToString::to_string).collect();
    parts.sort();
    parts.dedup();
    parts.join(",")
}
