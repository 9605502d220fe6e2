//! What a `uv.lock` says that its project asks for, compared with what `pyproject.toml` asks for. Pure.
//!
//! Both are compared as the image's Python sees them: uv writes markers in other words than projects do, and what differs only
//! elsewhere does not matter to the image.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use pep440_rs::VersionSpecifiers;
use pep508_rs::{ExtraName, VersionOrUrl};
use serde::Deserialize;

use crate::backend::embedded::python::address;
use crate::backend::embedded::python::environment::Environment;
use crate::backend::embedded::python::locks::project::{Project, requirement};
use crate::backend::embedded::python::places::normal;

/// Where uv takes a package from, unless an index has it.
const SOURCES: [&str; 6] = [
    "directory",
    "editable",
    "git",
    "path",
    "virtual",
    "workspace",
];

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Metadata {
    requires_dist: Vec<Required>,
    requires_dev: BTreeMap<String, Vec<Required>>,
    provides_extras: Vec<String>,
}

#[derive(Deserialize)]
struct Required {
    name: String,
    #[serde(default)]
    extras: Vec<String>,
    specifier: Option<String>,
    marker: Option<String>,
    url: Option<String>,
    #[serde(flatten)]
    more: BTreeMap<String, toml::Value>,
}

/// A package that the project asks for, for the image's Python.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Wish {
    name: String,
    part: Part,
    extras: BTreeSet<String>,
    from: Origin,
}

/// What of the project asks for a package.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
enum Part {
    Itself,
    Extra(String),
    Group(String),
}

/// Where a package is to come from.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// An index, in this range of versions.
    Index(String),
    Url(String),
    /// Something that the embedded builder does not build.
    Elsewhere,
}

impl Metadata {
    /// Tells what differs, if anything does.
    pub(super) fn fits(&self, project: &Project, environment: &Environment) -> Result<(), String> {
        let locked = self.wishes(project, environment)?;
        let own = wishes_of(project, environment)?;
        let is_open = |wish: &&Wish| project.is_dynamic && !matches!(wish.part, Part::Group(_));
        let mut differences = own.symmetric_difference(&locked);
        let Some(wish) = differences.find(|wish| !is_open(wish)) else {
            return Ok(());
        };
        let part = match &wish.part {
            Part::Itself => String::new(),
            Part::Extra(name) => format!(" in the extra `{name}`"),
            Part::Group(name) => format!(" in the group `{name}`"),
        };
        let name = &wish.name;
        Err(format!(
            "it is out of date: `pyproject.toml` says something else about `{name}`{part}; run `uv lock`"
        ))
    }

    fn wishes(
        &self,
        project: &Project,
        environment: &Environment,
    ) -> Result<BTreeSet<Wish>, String> {
        let provided = self.provides_extras.iter().map(|it| normal(it));
        let extras: BTreeSet<String> = project.extras.iter().cloned().chain(provided).collect();
        let mut wishes = BTreeSet::new();
        for required in &self.requires_dist {
            // Without a marker for an extra, it is wanted with each of them, too.
            if required.holds(environment, None)? {
                wishes.insert(required.wish(Part::Itself));
                continue;
            }
            for extra in &extras {
                if required.holds(environment, Some(extra))? {
                    wishes.insert(required.wish(Part::Extra(extra.clone())));
                }
            }
        }
        for (group, each) in &self.requires_dev {
            for required in each {
                if required.holds(environment, None)? {
                    wishes.insert(required.wish(Part::Group(normal(group))));
                }
            }
        }
        Ok(wishes)
    }
}

impl Required {
    fn holds(&self, environment: &Environment, extra: Option<&String>) -> Result<bool, String> {
        let Some(marker) = &self.marker else {
            return Ok(true);
        };
        let extras: Vec<ExtraName> = extra
            .iter()
            .filter_map(|extra| ExtraName::from_str(extra).ok())
            .collect();
        let holds = environment.holds(marker, &extras);
        holds.map_err(|why| format!("{}: {why}", self.name))
    }

    fn wish(&self, part: Part) -> Wish {
        let from = match &self.url {
            Some(url) => Origin::Url(canonical_url(url)),
            None if SOURCES.iter().any(|it| self.more.contains_key(*it)) => Origin::Elsewhere,
            None => Origin::Index(canonical(self.specifier.as_deref().unwrap_or_default())),
        };
        Wish {
            name: normal(&self.name),
            part,
            extras: self.extras.iter().map(|it| normal(it)).collect(),
            from,
        }
    }
}

fn wishes_of(project: &Project, environment: &Environment) -> Result<BTreeSet<Wish>, String> {
    let groups = project.group_requirements()?;
    let groups = groups
        .into_iter()
        .map(|(group, text)| (Part::Group(group), text));
    let own = project.requirements.iter().map(|(extra, text)| {
        let part = extra.clone().map_or(Part::Itself, Part::Extra);
        (part, text.clone())
    });
    let mut wishes = BTreeSet::new();
    for (part, text) in own.chain(groups) {
        let read = requirement(&text)?;
        if let Some(marker) = read.marker.try_to_string()
            && !environment.holds(&marker, &[])?
        {
            continue;
        }
        let name = normal(read.name.as_ref());
        let source = source(project, &name, &part, environment)?;
        wishes.insert(Wish {
            extras: read.extras.iter().map(|it| normal(it.as_ref())).collect(),
            from: Origin::of(read.version_or_url.as_ref(), source),
            name,
            part,
        });
    }
    Ok(wishes)
}

/// What `[tool.uv.sources]` says of a package.
fn source<'a>(
    project: &'a Project,
    name: &str,
    part: &Part,
    environment: &Environment,
) -> Result<Option<&'a toml::Table>, String> {
    let each = project.sources.get(name).map(Vec::as_slice);
    for source in each.unwrap_or_default() {
        let text = |key: &str| source.get(key).and_then(toml::Value::as_str);
        let is_for_part = match part {
            _ if text("extra").is_none() && text("group").is_none() => true,
            Part::Itself => false,
            Part::Extra(extra) => text("extra").is_some_and(|it| normal(it) == *extra),
            Part::Group(group) => text("group").is_some_and(|it| normal(it) == *group),
        };
        let holds = text("marker").map(|marker| environment.holds(marker, &[]));
        if is_for_part && holds.transpose()?.unwrap_or(true) {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

impl Origin {
    /// Of a requirement, with what `[tool.uv.sources]` says of its package.
    fn of(asked: Option<&VersionOrUrl>, source: Option<&toml::Table>) -> Self {
        let of_source = |key: &str| source.is_some_and(|source| source.contains_key(key));
        if SOURCES.iter().any(|key| of_source(key)) {
            return Self::Elsewhere;
        }
        let url = source.and_then(|source| source.get("url")?.as_str());
        match asked {
            _ if let Some(url) = url => Self::Url(canonical_url(url)),
            None => Self::Index(String::new()),
            Some(VersionOrUrl::VersionSpecifier(range)) => {
                Self::Index(canonical(&range.to_string()))
            }
            Some(VersionOrUrl::Url(url)) => {
                let shown = url.to_string();
                let given = url.given().unwrap_or(&shown);
                if given.starts_with("https://") || given.starts_with("http://") {
                    Self::Url(canonical_url(given))
                } else {
                    Self::Elsewhere
                }
            }
        }
    }
}

/// An address without a login and what follows `#`.
fn canonical_url(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    address::read(url).map_or_else(|_| url.to_owned(), |(url, _)| url.to_string())
}

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

#[cfg(test)]
mod tests {
    use super::super::super::super::Libc;
    use super::super::super::super::testing::target;
    use super::*;

    const PROJECT: &str = r#"
[project]
name = "App"
requires-python = ">=3.9"
dependencies = [
    "click<9,>=8.0.0",
    "Requests[socks,use-chardet-on-py3]~=2.31",
    "colorama; sys_platform == 'win32'",
    "app[own]",
    "six; python_version >= '3.8'",
    "idna @ https://h/idna-3.10-py3-none-any.whl",
    "here @ file:///here",
    "torch>=2",
]
[project.optional-dependencies]
gpu = ["six", "attrs>=20"]
own = ["Zipp", "click<9,>=8.0.0"]
empty = []
[dependency-groups]
base = ["iniconfig"]
dev = [{ include-group = "base" }, "pluggy>1"]
[tool.uv]
dev-dependencies = ["py>=1"]
[tool.uv.sources]
zipp = { url = "https://h/zipp-3.21.0-py3-none-any.whl" }
py = { git = "https://h/py" }
torch = [{ index = "cpu", marker = "sys_platform == 'linux'" }, { path = "torch", marker = "sys_platform != 'linux'" }]
"#;

    /// As uv writes it, with shorter addresses.
    const LOCKED: &str = r#"
requires-dist = [
    { name = "app", extras = ["own"] },
    { name = "attrs", marker = "extra == 'gpu'", specifier = ">=20" },
    { name = "click", specifier = ">=8.0.0,<9" },
    { name = "click", marker = "extra == 'own'", specifier = ">=8.0.0,<9" },
    { name = "colorama", marker = "sys_platform == 'win32'" },
    { name = "here", directory = "../here" },
    { name = "idna", url = "https://h/idna-3.10-py3-none-any.whl" },
    { name = "requests", extras = ["socks", "use-chardet-on-py3"], specifier = "~=2.31" },
    { name = "six", marker = "python_full_version >= '3.8'" },
    { name = "six", marker = "extra == 'gpu'" },
    { name = "torch", marker = "sys_platform != 'linux'", directory = "torch" },
    { name = "torch", marker = "sys_platform == 'linux'", specifier = ">=2", index = "https://h/cpu" },
    { name = "zipp", marker = "extra == 'own'", url = "https://h/zipp-3.21.0-py3-none-any.whl" },
]
provides-extras = ["gpu", "own", "empty"]
[requires-dev]
base = [{ name = "iniconfig" }]
dev = [{ name = "iniconfig" }, { name = "pluggy", specifier = ">1" }, { name = "py", git = "https://h/py" }]
"#;

    fn fits(project: &str, locked: &str) -> Result<(), String> {
        let target = target((3, 12), "linux/amd64", Libc::Glibc(2, 36));
        let environment = Environment::of(&target).unwrap();
        let metadata: Metadata = toml::from_str(locked).unwrap();
        metadata.fits(&Project::read(project)?, &environment)
    }

    #[test]
    fn what_uv_wrote_of_a_project_fits_it() {
        assert_eq!(fits(PROJECT, LOCKED), Ok(()));
    }

    #[test]
    fn each_change_that_matters_to_the_image_is_noticed() {
        for (from, to, said) in [
            ("click<9,>=8.0.0\",", "click<9,>=8.0.1\",", "`click`;"),
            ("[socks,use-chardet-on-py3]", "[socks]", "`requests`;"),
            ("; sys_platform == 'win32'", "", "`colorama`;"),
            ("\"app[own]\",", "", "`app`;"),
            ("'3.8'", "'3.13'", "`six`;"),
            ("idna-3.10", "idna-3.11", "`idna`;"),
            (
                "idna @ https://h/idna-3.10-py3-none-any.whl",
                "idna",
                "`idna`;",
            ),
            ("here @ file:///here", "here", "`here`;"),
            ("torch>=2", "torch>=3", "`torch`;"),
            ("\"attrs>=20\"", "", "`attrs` in the extra `gpu`;"),
            (
                "empty = []",
                "empty = ['six']",
                "`six` in the extra `empty`;",
            ),
            ("empty = []", "more = ['six']", "`six` in the extra `more`;"),
            ("zipp = {", "other = {", "`zipp` in the extra `own`;"),
            ("[\"iniconfig\"]", "[]", "`iniconfig` in the group `base`;"),
            (
                "{ include-group = \"base\" }, ",
                "",
                "`iniconfig` in the group `dev`;",
            ),
            ("pluggy>1", "pluggy>2", "`pluggy` in the group `dev`;"),
            ("py = {", "other = {", "`py` in the group `dev`;"),
            (
                "base = [",
                "new = ['six']\nbase = [",
                "`six` in the group `new`;",
            ),
        ] {
            let project = PROJECT.replacen(from, to, 1);
            assert_ne!(project, PROJECT, "{from}");
            let error = fits(&project, LOCKED).unwrap_err();
            let start = "it is out of date: `pyproject.toml` says something else about ";
            assert!(
                error.starts_with(&format!("{start}{said}")),
                "{from}: {error}"
            );
        }
    }

    #[test]
    fn changes_that_do_not_matter_to_the_image_are_none() {
        for (from, to) in [
            ("'win32'", "'darwin'"),
            ("'3.8'", "'3.9'"),
            ("click<9,>=8.0.0", "click >= 8.0.0, < 9"),
            ("Requests", "requests"),
            ("empty = []", ""),
        ] {
            let project = PROJECT.replacen(from, to, 1);
            assert_ne!(project, PROJECT, "{from}");
            assert_eq!(fits(&project, LOCKED), Ok(()), "{from}");
        }
        // Only a build of the project could tell; its groups are told all the same.
        let start = "[project]\nname = 'app'\ndynamic = ['dependencies']\n";
        let groups = &PROJECT[PROJECT.find("[dependency-groups]").unwrap()..];
        assert_eq!(fits(&format!("{start}{groups}"), LOCKED), Ok(()));
        assert!(fits(start, LOCKED).unwrap_err().contains("in the group"));
    }

    #[test]
    fn groups_that_cannot_be_read_are_told() {
        for group in [
            "7",
            "[7]",
            "[{ include-group = 'gone' }]",
            "[{ other = 'a' }]",
        ] {
            let text = format!("[project]\nname = 'app'\n[dependency-groups]\na = {group}\n");
            let error = fits(&text, "").unwrap_err();
            assert!(error.ends_with("cannot be read"), "{error}");
        }
        let chain: Vec<_> = (0..100_000)
            .map(|at| format!("g{at} = [{{ include-group = 'g{}' }}]", at + 1))
            .collect();
        let chain = format!("[dependency-groups]\n{}", chain.join("\n"));
        assert!(fits(&chain, "").unwrap_err().ends_with("cannot be read"));
        let circle = "[dependency-groups]\na = [{ include-group = 'a' }, 'six']\n";
        assert!(
            fits(circle, "")
                .unwrap_err()
                .contains("`six` in the group `a`")
        );
    }
}
