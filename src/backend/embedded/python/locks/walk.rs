//! Follows the dependencies in a `poetry.lock` that does not say for whom its packages are. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{ExtraName, VersionOrUrl};

use super::super::environment::read_requirement;
use crate::backend::embedded::python::environment::Environment;
use crate::backend::embedded::python::places::normal;

/// A package, as far as the walk needs it.
pub(super) struct Stop<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// The range of Python versions that it is for.
    pub(super) python_versions: Option<&'a str>,
    /// By name: a version, a table, or several of them.
    pub(super) dependencies: &'a BTreeMap<String, toml::Value>,
}

/// What one package wants of another.
#[derive(Debug, Default)]
pub(super) struct Edge {
    /// Normalized.
    pub(super) name: String,
    pub(super) is_optional: bool,
    extras: Vec<String>,
    marker: Option<String>,
    /// The range of Python versions that it is for.
    python: Option<String>,
    version: Option<String>,
}

impl Edge {
    /// Reads what Poetry writes: a version, a table, or several of them.
    pub(super) fn read(name: &str, value: &toml::Value) -> Result<Vec<Self>, String> {
        let one = |value: &toml::Value| {
            let name = normal(name);
            let text = |key: &str| {
                value
                    .get(key)
                    .and_then(toml::Value::as_str)
                    .map(str::to_owned)
            };
            match value {
                toml::Value::String(version) => Ok(Self {
                    name,
                    version: Some(version.clone()),
                    ..Self::default()
                }),
                toml::Value::Table(table) => Ok(Self {
                    is_optional: table.get("optional").and_then(toml::Value::as_bool) == Some(true),
                    extras: table
                        .get("extras")
                        .and_then(toml::Value::as_array)
                        .into_iter()
                        .flatten()
                        .filter_map(|extra| extra.as_str().map(normal))
                        .collect(),
                    marker: text("markers"),
                    python: text("python"),
                    version: text("version"),
                    name,
                }),
                _ => Err(format!("its dependency `{name}` cannot be read")),
            }
        };
        match value {
            toml::Value::Array(several) => several.iter().map(one).collect(),
            value => Ok(vec![one(value)?]),
        }
    }

    pub(super) fn of_requirement(text: &str) -> Result<Self, String> {
        let read = read_requirement(text)
            .ok_or_else(|| format!("`{}` is not a requirement", text.escape_debug()))?;
        Ok(Self {
            name: normal(read.name.as_ref()),
            extras: read
                .extras
                .iter()
                .map(|extra| normal(extra.as_ref()))
                .collect(),
            marker: read.marker.try_to_string(),
            version: match &read.version_or_url {
                Some(VersionOrUrl::VersionSpecifier(range)) => Some(range.to_string()),
                _ => None,
            },
            ..Self::default()
        })
    }
}

/// A walk along dependencies.
pub(super) struct Walk<'a> {
    packages: Vec<Stop<'a>>,
    by_name: BTreeMap<String, Vec<usize>>,
    environment: &'a Environment,
    /// The extras with which each package was come by.
    seen: BTreeMap<usize, BTreeSet<String>>,
    ahead: Vec<usize>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(packages: Vec<Stop<'a>>, environment: &'a Environment) -> Self {
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, package) in packages.iter().enumerate() {
            by_name.entry(normal(package.name)).or_default().push(at);
        }
        Self {
            packages,
            by_name,
            environment,
            seen: BTreeMap::new(),
            ahead: Vec::new(),
        }
    }

    /// Notes what an edge leads to, if it is for the target; `extras` are those of the package that it starts from.
    pub(super) fn follow(&mut self, edge: &Edge, extras: &[ExtraName]) -> Result<(), String> {
        let named = |why: String| format!("{}: {why}", edge.name);
        if let Some(marker) = &edge.marker
            && !self.environment.holds(marker, extras).map_err(named)?
        {
            return Ok(());
        }
        if let Some(python) = &edge.python
            && !admits(self.environment, python)
        {
            return Ok(());
        }
        let at = self.find(edge)?;
        let is_new = !self.seen.contains_key(&at);
        let known = self.seen.entry(at).or_default();
        let before = known.len();
        known.extend(edge.extras.iter().cloned());
        if is_new || known.len() > before {
            self.ahead.push(at);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<BTreeSet<usize>, String> {
        while let Some(at) = self.ahead.pop() {
            let extras = self.seen[&at].iter();
            let extras: Vec<ExtraName> = extras
                .filter_map(|it| ExtraName::from_str(it).ok())
                .collect();
            let dependencies: &'a BTreeMap<_, _> = self.packages[at].dependencies;
            for (name, value) in dependencies {
                for edge in Edge::read(name, value)? {
                    // An optional dependency has a marker with its extra.
                    if !edge.is_optional || edge.marker.is_some() {
                        self.follow(&edge, &extras)?;
                    }
                }
            }
        }
        Ok(self.seen.into_keys().collect())
    }

    fn find(&self, edge: &Edge) -> Result<usize, String> {
        let name = &edge.name;
        let mut found = self.by_name.get(name).cloned().unwrap_or_default();
        let packages = &self.packages;
        if found.len() > 1 {
            let fits = |at: &usize| {
                let package = &packages[*at];
                package
                    .python_versions
                    .is_none_or(|range| admits(self.environment, range))
                    && is_within(package.version, edge.version.as_deref())
            };
            found.retain(fits);
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(format!("it wants {name}, but does not list it")),
            _ => Err(format!(
                "it has several versions of {name}, and does not say which one is for the image; write it with Poetry 2"
            )),
        }
    }
}

/// Whether a range in Poetry's words admits the target's Python.
pub(super) fn admits(environment: &Environment, range: &str) -> bool {
    let mut each = range.split("||");
    each.any(|range| ranges(range).is_none_or(|range| environment.is_in(&range)))
}

fn is_within(version: &str, range: Option<&str>) -> bool {
    let Ok(version) = Version::from_str(version) else {
        return true;
    };
    let Some(range) = range else { return true };
    let mut each = range.split("||");
    each.any(|range| ranges(range).is_none_or(|range| range.contains(&version)))
}

/// A range in Poetry's words, which knows `^1.2`, `~1.2` and `*`. `None` if it cannot be read.
fn ranges(range: &str) -> Option<VersionSpecifiers> {
    let mut parts = Vec::new();
    for part in range.split(',').map(str::trim) {
        let above = |keep: usize, text: &str| {
            let version = Version::from_str(text).ok()?;
            let mut release = version.release().to_vec();
            release.truncate(keep.max(1));
            let last = release.last_mut()?;
            *last = last.checked_add(1)?;
            let next: Vec<String> = release.iter().map(ToString::to_string).collect();
            Some(format!(">={text},<{}", next.join(".")))
        };
        if let Some(text) = part.strip_prefix('^') {
            let version = Version::from_str(text).ok()?;
            // The first number that is not zero may not change.
            let mut release = version.release().iter();
            let first = release.position(|number| *number > 0);
            let keep = first.map_or(version.release().len(), |at| at + 1);
            parts.push(above(keep, text)?);
        } else if let Some(text) = part.strip_prefix('~').filter(|text| !text.starts_with('=')) {
            parts.push(above(2, text.trim())?);
        } else if part.starts_with(|char: char| char.is_ascii_digit()) {
            parts.push(format!("=={part}"));
        } else if part != "*" {
            parts.push(part.to_owned());
        }
    }
    VersionSpecifiers::from_str(&parts.join(",")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_poetry() {
        for (range, within, beyond) in [
            ("^1.2", "1.9", "2.0"),
            ("^0.2.3", "0.2.9", "0.3"),
            ("~1.2", "1.2.9", "1.3"),
            ("~1", "1.9", "2"),
            ("*", "9", ""),
            ("1.2.*", "1.2.7", "1.3"),
            (">=1,<2", "1.5", "2"),
            ("~=1.2", "1.9", "2"),
            ("^1 || ^3", "3.1", "2.0"),
        ] {
            assert!(is_within(within, Some(range)), "{range} {within}");
            assert!(
                beyond.is_empty() || !is_within(beyond, Some(range)),
                "{range} {beyond}"
            );
        }
        // No version comes after the largest one.
        assert!(is_within("1", Some("^18446744073709551615")));
    }
}
