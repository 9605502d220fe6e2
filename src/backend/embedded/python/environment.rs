//! What markers and `requires-python` are compared with: the environment of an image's Python, as PEP 508 describes it. Pure.

use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, MarkerTree, Requirement};

use super::Target;
use super::tags::machine;

/// The environment of a target.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    values: MarkerEnvironment,
    version: Version,
}

impl Environment {
    /// The environment of a target. A Python whose patch version is not known counts as the first of its minor version, as
    /// with uv.
    pub(super) fn of(target: &Target) -> Result<Self, String> {
        let (major, minor) = target.version;
        let short = format!("{major}.{minor}");
        let full = full_version(target);
        let unusable = || format!("`{full}` is not a version of Python");
        let builder = MarkerEnvironmentBuilder {
            implementation_name: "cpython",
            implementation_version: &full,
            os_name: "posix",
            platform_machine: machine(target),
            platform_python_implementation: "CPython",
            platform_release: "",
            platform_system: "Linux",
            platform_version: "",
            python_full_version: &full,
            python_version: &short,
            sys_platform: "linux",
        };
        Ok(Self {
            values: builder.try_into().map_err(|_| unusable())?,
            version: Version::from_str(&full).map_err(|_| unusable())?,
        })
    }

    /// Whether a marker holds, with these extras.
    pub(super) fn holds(&self, marker: &str, extras: &[ExtraName]) -> Result<bool, String> {
        Ok(read_marker(marker)?.evaluate(&self.values, extras))
    }

    /// Whether a `requires-python` admits the target.
    pub(super) fn admits(&self, requires: &str) -> Result<bool, String> {
        let specifiers = VersionSpecifiers::from_str(requires);
        let specifiers = specifiers.map_err(|_| format!("`{requires}` is not a version range"))?;
        Ok(self.is_in(&specifiers))
    }

    /// Whether the target's Python is in a range.
    pub(super) fn is_in(&self, range: &VersionSpecifiers) -> bool {
        range.contains(&self.version)
    }
}

/// The whole version of a target's Python.
pub(super) fn full_version(target: &Target) -> String {
    let (major, minor) = target.version;
    let known = target.full_version.clone();
    known.unwrap_or_else(|| format!("{major}.{minor}.0"))
}

fn read_marker(marker: &str) -> Result<MarkerTree, String> {
    if !is_tame(marker) {
        return Err("a marker is too long, nested too deep, or not ASCII".to_owned());
    }
    MarkerTree::from_str(marker).map_err(|_| format!("the marker `{marker}` cannot be read"))
}

/// Reads a requirement; `None` if it is none.
pub(super) fn read_requirement(text: &str) -> Option<Requirement> {
    let is_sound = is_tame(text) && has_sound_names(text);
    is_sound.then(|| Requirement::from_str(text).ok())?
}

/// Whether the names of a package and its extras begin and end as names do; the parser panics at some others.
fn has_sound_names(text: &str) -> bool {
    let text = text.trim_start();
    let is_in_name = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    let is_end = |char: char| char.is_ascii_alphanumeric();
    let is_sound = |name: &str| name.starts_with(is_end) && name.ends_with(is_end);
    let end = text.find(|char| !is_in_name(char)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let extras = rest.trim_start().strip_prefix('[').unwrap_or_default();
    let extras = extras.split(']').next().unwrap_or_default();
    let mut extras = extras.split(',').map(str::trim);
    is_sound(name) && extras.all(|extra| extra.is_empty() || is_sound(extra))
}

/// Whether a text may be given to the parser, which calls itself for each parenthesis, and panics at letters in places where
/// it expects none that have several bytes.
fn is_tame(text: &str) -> bool {
    text.is_ascii() && text.len() <= LONGEST && depth(text) <= DEEPEST
}

/// More than resolvers write, in bytes.
const LONGEST: usize = 16 << 10;

/// Parentheses in each other; the parser calls itself for each.
const DEEPEST: usize = 64;

fn depth(marker: &str) -> usize {
    let mut depth: usize = 0;
    let mut deepest = 0;
    for char in marker.chars() {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::super::Libc;
    use super::super::testing::target;
    use super::*;

    fn environment(platform: &str) -> Environment {
        Environment::of(&target((3, 12), platform, Libc::Glibc(2, 36))).unwrap()
    }

    #[test]
    fn what_the_parser_panics_at_is_not_given_to_it() {
        for text in [
            "a; python_version > '3' é",
            "é",
            "s.'",
            "a[b.] == 1",
            "",
            "[a]",
        ] {
            assert!(read_requirement(text).is_none(), "{text}");
        }
        assert!(read_marker("python_version > '3' é").is_err());
        assert!(read_requirement("a-b_c.d [x,y] >=1 ; python_version > '3'").is_some());
    }

    #[test]
    fn markers_are_those_of_the_image() {
        let environment = environment("linux/arm64");
        let gpu = [ExtraName::from_str("gpu").unwrap()];
        for (marker, holds) in [
            (
                "python_version >= '3.10' and python_full_version < '3.13'",
                true,
            ),
            (
                "platform_machine == 'aarch64' and sys_platform == 'linux'",
                true,
            ),
            ("platform_machine == 'x86_64' or os_name == 'nt'", false),
            ("extra == 'gpu'", true),
            ("extra == 'cpu'", false),
            (
                "implementation_name == 'cpython' and platform_python_implementation != 'PyPy'",
                true,
            ),
            ("python_version < '3.9'", false),
        ] {
            assert_eq!(environment.holds(marker, &gpu), Ok(holds), "{marker}");
        }
        assert_eq!(environment.admits(">=3.9,<4"), Ok(true));
        assert_eq!(environment.admits(">=3.12.1"), Ok(false));
    }

    #[test]
    fn what_is_no_marker_is_refused() {
        let environment = environment("linux/amd64");
        let deep = format!(
            "{}os_name == 'posix'{}",
            "(".repeat(100_000),
            ")".repeat(100_000)
        );
        let long = "os_name == 'posix' or ".repeat(10_000) + "os_name == 'nt'";
        for wrong in [
            "",
            "x",
            "os_name ==",
            "os_name == 'nt' and",
            "((os_name == 'nt')",
            "\u{0}",
            &deep,
            &long,
        ] {
            assert!(environment.holds(wrong, &[]).is_err(), "{}", wrong.len());
        }
        for wrong in ["3", "abc", ">=", "\u{e9}"] {
            assert!(environment.admits(wrong).is_err(), "{wrong}");
        }
    }
}
