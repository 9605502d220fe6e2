//! What of `pip-extra-args` the embedded builder honors: what decides which packages are chosen. The rest is named. Pure.

use std::collections::BTreeSet;

use super::places::normal;
use crate::recipe::{LockTool, Step};
use crate::spec::RequirementsKind;

/// Options of `uv pip` without a value.
const PIP_FLAGS: [&str; 8] = [
    "--pre",
    "--no-deps",
    "--upgrade",
    "-U",
    "--no-index",
    "--no-build",
    // Sources are not built then: what is in the image is not what they are built with here.
    "--no-build-isolation",
    // Nothing is cached that the step leaves behind.
    "--no-cache",
];

/// Options of `uv pip` with a value.
const PIP_VALUES: [&str; 14] = [
    "--prerelease",
    "--resolution",
    "--index-strategy",
    "--exclude-newer",
    "--exclude-newer-package",
    "--find-links",
    "-f",
    "--index",
    "--default-index",
    "--index-url",
    "-i",
    "--extra-index-url",
    "--only-binary",
    "--torch-backend",
];

/// Options of `uv sync`.
const SYNC_FLAGS: [&str; 7] = [
    "--all-extras",
    "--all-groups",
    "--no-default-groups",
    "--no-dev",
    "--frozen",
    "--locked",
    "--no-build",
];
const SYNC_VALUES: [&str; 4] = ["--extra", "--no-extra", "--group", "--no-group"];

/// Options of `poetry install`.
const POETRY_FLAGS: [&str; 2] = ["--all-extras", "--no-cache"];
const POETRY_VALUES: [&str; 2] = ["--extras", "-E"];

/// An option, and its value if it takes one.
pub(super) type Given = (String, Option<String>);

/// The options in the arguments of a step; an error is the first one that is not honored.
pub(super) fn read(
    arguments: &[String],
    flags: &[&str],
    values: &[&str],
) -> Result<Vec<Given>, String> {
    let mut found = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        if flags.contains(&name) && value.is_none() {
            found.push((name.to_owned(), None));
        } else if values.contains(&name) {
            let value = value.or_else(|| arguments.next().cloned());
            let value = value.ok_or_else(|| format!("`{name}` needs a value"))?;
            found.push((name.to_owned(), Some(value)));
        } else {
            return Err(format!(
                "`{name}` of `pip-extra-args` does not choose packages, or not in a way that it knows"
            ));
        }
    }
    Ok(found)
}

pub(super) fn pip(arguments: &[String]) -> Result<Vec<Given>, String> {
    read(arguments, &PIP_FLAGS, &PIP_VALUES)
}

/// Options that say which indexes are asked.
const INDEXES: [&str; 5] = [
    "--index",
    "--default-index",
    "--index-url",
    "-i",
    "--extra-index-url",
];

/// Indexes that are named: one in place of the default, and additional ones.
pub(super) type Named = (Option<String>, Vec<String>);

/// The arguments of a step without the indexes that they name, and these.
pub(super) fn without_indexes(arguments: &[String]) -> Result<(Vec<String>, Named), String> {
    let (mut rest, mut default, mut more) = (Vec::new(), None, Vec::new());
    for (name, value) in pip(arguments)? {
        match (name.as_str(), value) {
            ("--default-index" | "--index-url" | "-i", value) => default = value,
            (index, Some(value)) if INDEXES.contains(&index) => more.push(value),
            (_, Some(value)) => rest.extend([name, value]),
            (_, None) => rest.push(name),
        }
    }
    Ok((rest, (default, more)))
}

/// Which packages may only be installed from wheels.
#[derive(Debug, Default)]
pub(super) struct OnlyWheels {
    all: bool,
    names: BTreeSet<String>,
}

impl OnlyWheels {
    /// By the options of `uv pip`, or of a project's tool.
    pub(super) fn of(options: &[Given]) -> Self {
        let mut only = Self::default();
        for (name, value) in options {
            match (name.as_str(), value.as_deref()) {
                ("--no-build" | "--no-build-isolation", _) | ("--only-binary", Some(":all:")) => {
                    only.all = true;
                }
                ("--only-binary", Some(":none:")) => only = Self::default(),
                ("--only-binary", Some(names)) => {
                    only.names.extend(names.split(',').map(normal));
                }
                _ => {}
            }
        }
        only
    }

    pub(super) fn is_all(&self) -> bool {
        self.all
    }

    /// Whether a wheel of this package may be built.
    pub(super) fn may_build(&self, name: &str) -> bool {
        !self.all && !self.names.contains(name)
    }
}

pub(super) fn sync(arguments: &[String]) -> Result<Vec<Given>, String> {
    read(arguments, &SYNC_FLAGS, &SYNC_VALUES)
}

pub(super) fn poetry(arguments: &[String]) -> Result<Vec<Given>, String> {
    read(arguments, &POETRY_FLAGS, &POETRY_VALUES)
}

/// The extras that `poetry install` is asked for; `None` for all.
pub(super) fn poetry_extras(arguments: &[String]) -> Result<Option<BTreeSet<String>>, String> {
    let options = poetry(arguments)?;
    if options.iter().any(|(name, _)| name == "--all-extras") {
        return Ok(None);
    }
    let values = options.iter().filter_map(|(_, value)| value.as_deref());
    let extras = values.flat_map(|value| value.split([' ', ',']));
    Ok(Some(
        extras
            .filter(|extra| !extra.is_empty())
            .map(normal)
            .collect(),
    ))
}

/// Why the arguments of a step cannot be honored.
pub(in super::super) fn refused(step: &Step) -> Option<String> {
    let read = match step {
        Step::Pip(step) => {
            let file = step.requirements.as_ref();
            let kind = file.map(|set| set.path().requirements_kind());
            if kind == Some(RequirementsKind::Pylock) && !step.extra_args.is_empty() {
                let first = &step.extra_args[0];
                return Some(format!(
                    "`{first}` of `pip-extra-args` does not choose packages of a `pylock.toml`"
                ));
            }
            pip(&step.extra_args)
        }
        Step::Lock(lock) => match lock.tool {
            LockTool::Uv => sync(&lock.extra_args),
            LockTool::Poetry => poetry(&lock.extra_args),
        },
        _ => return None,
    };
    read.err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_may_be_built_is_said_by_options() {
        let of = |text: &str| OnlyWheels::of(&pip(&words(text)).unwrap());
        assert!(of("").may_build("a"));
        for all in ["--no-build", "--only-binary :all:", "--no-build-isolation"] {
            assert!(of(all).is_all(), "{all}");
        }
        assert!(!of("--no-build").may_build("a"));
        let some = of("--only-binary=A,b_c");
        assert!(!some.is_all() && some.may_build("d"));
        assert!(!some.may_build("a") && !some.may_build("b-c"));
        assert!(of("--only-binary :all: --only-binary :none:").may_build("a"));
        let (rest, (default, more)) = without_indexes(&words(
            "--pre -i https://a --index=n=https://b -f https://c",
        ))
        .unwrap();
        assert_eq!(rest, ["--pre", "-f", "https://c"]);
        assert_eq!(default.as_deref(), Some("https://a"));
        assert_eq!(more, ["n=https://b"]);
    }

    #[test]
    fn options_are_read_in_both_spellings_and_others_are_named() {
        let read = pip(&words(
            "--pre --prerelease=allow --find-links https://h/x -U",
        ))
        .unwrap();
        let values: Vec<_> = read
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        assert_eq!(
            values,
            [
                ("--pre", None),
                ("--prerelease", Some("allow")),
                ("--find-links", Some("https://h/x")),
                ("-U", None)
            ]
        );
        for (wrong, named) in [
            ("--no-binary :all:", "`--no-binary`"),
            ("--pre=x", "`--pre`"),
            ("--index", "needs a value"),
            ("-r more.txt", "`-r`"),
            ("six", "`six`"),
            ("--compile-bytecode", "`--compile-bytecode`"),
        ] {
            let error = pip(&words(wrong)).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
        assert!(sync(&words("--extra gpu --no-group=docs")).is_ok());
        assert!(poetry(&words("-E gpu --with dev")).is_err());
    }
}
