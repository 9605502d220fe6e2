//! The hash by which Poetry tells whether a lock file belongs to a `pyproject.toml`: the SHA-256 of the tables that decide what
//! is locked, as Python's `json.dumps` writes them with sorted keys. Pure.
//!
//! Source: `poetry.packages.locker.Locker._get_content_hash` of Poetry 1.3 to 2.5. Since 2.3 the groups of PEP 735 are part of it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use sha2::{Digest as _, Sha256};

/// Parts of `[project]`.
const OF_PROJECT: [&str; 3] = ["dependencies", "optional-dependencies", "requires-python"];

/// Parts of `[tool.poetry]`; where there is nothing else, all but the last count as null if they are missing.
const OF_POETRY: [&str; 5] = [
    "dependencies",
    "dev-dependencies",
    "extras",
    "source",
    "group",
];

/// In the order in which Python sorts the keys.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    dependency_groups: Option<&'a toml::Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    project: Tables<'a>,
    tool: Tools<'a>,
}

#[derive(Serialize)]
struct Tools<'a> {
    poetry: Tables<'a>,
}

type Tables<'a> = BTreeMap<&'static str, Option<&'a toml::Value>>;

/// The hashes, in hexadecimal, that lock files of this `pyproject.toml` have, of newer versions and of older ones.
pub(super) fn content_hashes(pyproject: &toml::Table) -> io::Result<[String; 2]> {
    Ok([hash(pyproject, true)?, hash(pyproject, false)?])
}

fn hash(pyproject: &toml::Table, with_groups: bool) -> io::Result<String> {
    let nothing = toml::Table::new();
    let table = |of: &'_ toml::Table, key: &str| of.get(key)?.as_table().cloned();
    let project = table(pyproject, "project").unwrap_or_else(|| nothing.clone());
    let tools = table(pyproject, "tool").unwrap_or_else(|| nothing.clone());
    let poetry = table(&tools, "poetry").unwrap_or(nothing);
    let groups = pyproject
        .get("dependency-groups")
        .filter(|it| with_groups && it.as_table().is_some_and(|it| !it.is_empty()));
    let project: Tables<'_> = OF_PROJECT
        .iter()
        .filter_map(|key| Some((*key, Some(project.get(*key)?))))
        .collect();
    let is_legacy = project.is_empty() && groups.is_none();
    let poetry: Tables<'_> = OF_POETRY
        .iter()
        .map(|key| (*key, poetry.get(*key)))
        .filter(|(key, value)| value.is_some() || (is_legacy && *key != "group"))
        .collect();
    let mut text = Vec::new();
    let mut out = Serializer::with_formatter(&mut text, Python);
    if is_legacy {
        poetry.serialize(&mut out)?;
    } else {
        let tool = Tools { poetry };
        let content = Content {
            dependency_groups: groups,
            project,
            tool,
        };
        content.serialize(&mut out)?;
    }
    Ok(hex::encode(Sha256::digest(&text)))
}

/// JSON as Python writes it: with spaces between the parts, and in ASCII.
struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for char in fragment.chars() {
            if char.is_ascii() && char != '\u{7f}' {
                out.write_all(&[char as u8])?;
                continue;
            }
            for unit in char.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hashes were computed by Poetry 2.5.1.
    #[test]
    fn hashes_are_those_of_poetry() {
        let legacy = r#"
[tool.poetry]
name = "app"
[tool.poetry.dependencies]
python = ">=3.9,<4"
six = "^1.16"
idna = { version = "*", optional = true, source = "prüfung 😀" }
old = [{ version = "^1", python = "<3.10" }, { version = "^2", allow-prereleases = true, n = 7 }]
[tool.poetry.extras]
names = ["idna"]
[tool.poetry.group.dev.dependencies]
iniconfig = "*"
"#;
        let both = r#"
[project]
name = "app"
requires-python = ">=3.9,<4"
dependencies = ["six>=1.16; python_version > '3.8'"]
optional-dependencies = { names = ["idna"] }
[dependency-groups]
dev = ["iniconfig"]
"#;
        let bare = "[project]\nname = \"app\"\n[tool.poetry.dependencies]\nsix = \"^1.16\"\n";
        for (text, new, old) in [
            (
                legacy,
                "3ae7fe126912cb23c1c23aa1f07002f392ae5a25142027f6c67fe50a0fdfb718",
                "3ae7fe126912cb23c1c23aa1f07002f392ae5a25142027f6c67fe50a0fdfb718",
            ),
            (
                both,
                "8104341acdca50853fdeaea0a9414d1444373891b8ba5ffcf3be197c1ddb574a",
                "c67fb9e740897cba5ac9454322eeccce723647059dba23612d49c910b830e6ad",
            ),
            (
                bare,
                "66f8b0a9468d1dfa1aa69fed5f81bbe79e5284f178f74bed2c578739402ff551",
                "66f8b0a9468d1dfa1aa69fed5f81bbe79e5284f178f74bed2c578739402ff551",
            ),
        ] {
            let found = content_hashes(&text.parse().unwrap()).unwrap();
            assert_eq!(found, [new, old], "{text}");
        }
    }
}
