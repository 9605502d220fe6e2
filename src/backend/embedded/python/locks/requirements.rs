//! A requirements file that pins everything by `==` and `--hash`: needs no resolver. Any other is uv's to read. Pure.

use std::collections::{BTreeMap, BTreeSet};

use pep440_rs::Operator;
use pep508_rs::{ExtraName, VersionOrUrl};

use super::super::environment::read_requirement;
use super::{Locked, Offer, file_of, hash, is_wheel};
use crate::backend::embedded::python::address;
use crate::backend::embedded::python::environment::Environment;
use crate::backend::embedded::python::places::normal;
use crate::backend::embedded::python::sources::version_of;
use crate::backend::oci::name::Digest;
use crate::fingerprint::requirement_lines;

/// What a closed file says.
#[derive(Debug, Default)]
pub(in super::super) struct Closed {
    pub(in super::super) locked: Vec<Locked>,
    /// The extras that are asked for, by package.
    pub(in super::super) extras: BTreeMap<String, Vec<ExtraName>>,
    pub(in super::super) index: Option<String>,
    pub(in super::super) extra_indexes: Vec<String>,
}

/// Finds a file by the one that names it, and by its name there: its path and its text.
pub(in super::super) type Include<'a> = &'a dyn Fn(&str, &str) -> Option<(String, String)>;

/// The lines of a file and of those that it includes.
#[derive(Default)]
struct Lines {
    requirements: Vec<String>,
    /// Options besides those that include files, with their values.
    options: Vec<(String, String)>,
    /// Whether there is something else, which only uv understands.
    has_more: bool,
}

impl Lines {
    /// `None` if the file itself is missing.
    fn read(name: &str, include: Include<'_>) -> Option<Self> {
        let mut lines = Self::default();
        let mut ahead = vec![include("", name)?];
        let mut seen = BTreeSet::from([ahead[0].0.clone()]);
        while let Some((place, text)) = ahead.pop() {
            for line in requirement_lines(&text) {
                let line = line.trim();
                lines.has_more |= line.contains("${");
                if !line.starts_with('-') {
                    lines
                        .requirements
                        .extend((!line.is_empty()).then(|| line.to_owned()));
                    continue;
                }
                let words = shlex::split(line).unwrap_or_default();
                let (option, value) = match words.as_slice() {
                    [both] => both.split_once('=').unwrap_or((both, "")),
                    [option, value] => (option.as_str(), value.as_str()),
                    _ => {
                        lines.has_more = true;
                        continue;
                    }
                };
                if !matches!(option, "-r" | "--requirement" | "--requirements") {
                    lines.options.push((option.to_owned(), value.to_owned()));
                    continue;
                }
                match include(&place, value) {
                    None => lines.has_more = true,
                    Some(next) if seen.insert(next.0.clone()) => ahead.push(next),
                    Some(_) => {}
                }
            }
        }
        Some(lines)
    }
}

/// Reads a file with those that it includes. `None` if it is not closed.
pub(in super::super) fn read(
    name: &str,
    include: Include<'_>,
    environment: &Environment,
) -> Option<Closed> {
    let lines = Lines::read(name, include)?;
    let mut closed = Closed::default();
    for line in &lines.requirements {
        for (locked, extras) in requirement(line, environment)? {
            closed.extras.insert(locked.name.clone(), extras);
            closed.locked.push(locked);
        }
    }
    for (option, value) in lines.options {
        match option.as_str() {
            // What is pinned is not chosen.
            "-c" | "--constraint" | "--constraints" | "--require-hashes" | "--prefer-binary" => {}
            "-i" | "--index-url" => closed.index = Some(value),
            "--extra-index-url" => closed.extra_indexes.push(value),
            _ => return None,
        }
    }
    closed
        .locked
        .sort_by(|one, other| one.name.cmp(&other.name));
    let mut twins = closed.locked.windows(2);
    let is_double = twins.any(|two| two[0].name == two[1].name);
    (!lines.has_more && !is_double && !closed.locked.is_empty()).then_some(closed)
}

/// The hashes that a file gives for packages of the target, also where it is not closed: uv resolves without comparing them.
pub(in super::super) fn hashes(
    name: &str,
    include: Include<'_>,
    environment: &Environment,
) -> Result<BTreeMap<String, Vec<Digest>>, String> {
    let lines = Lines::read(name, include).unwrap_or_default();
    let mut all: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
    for line in &lines.requirements {
        let (text, hashes) = split(line);
        if hashes.is_empty() {
            continue;
        }
        let text = text.split(" --").next().unwrap_or_default();
        let (bare, marker) = text.split_once(';').unwrap_or((text, ""));
        let Some(read) = read_requirement(bare.trim()) else {
            continue;
        };
        if environment.holds(marker.trim(), &[]) == Ok(false) {
            continue;
        }
        let name = normal(read.name.as_ref());
        let read: Vec<Digest> = hashes.iter().filter_map(|it| hash(it).ok()).collect();
        if read.is_empty() {
            return Err(format!(
                "{name} has no sha256 hash; the embedded builder compares no other"
            ));
        }
        all.entry(name).or_default().extend(read);
    }
    Ok(all)
}

/// A requirement and its hashes.
fn split(line: &str) -> (&str, Vec<&str>) {
    let mut parts = line.split("--hash");
    let text = parts.next().unwrap_or_default().trim();
    let hashes = parts.map(|part| part.trim_start_matches(['=', ' ', '\t']).trim());
    (text, hashes.collect())
}

/// A pinned requirement with its extras, if it is for the target; `None` if it is not pinned.
fn requirement(line: &str, environment: &Environment) -> Option<Vec<(Locked, Vec<ExtraName>)>> {
    const LONGEST: usize = 64 << 10;
    if line.len() > LONGEST {
        return None;
    }
    let (text, hashes) = split(line);
    // Another kind of hash says nothing about the file in a store of sha256.
    let hashes: Option<Vec<Digest>> = hashes.into_iter().map(|it| hash(it).ok()).collect();
    let hashes = hashes.filter(|hashes| !hashes.is_empty() && !text.contains(" --"))?;
    let (bare, marker) = text.split_once(';').unwrap_or((text, ""));
    let read = read_requirement(bare.trim())?;
    if !marker.trim().is_empty() && !environment.holds(marker.trim(), &[]).ok()? {
        return Some(Vec::new());
    }
    let mut locked = Locked {
        name: normal(read.name.as_ref()),
        version: String::new(),
        wheels: Vec::new(),
        hashes,
        index: None,
        sdist: None,
        is_requested: true,
    };
    pinned(&mut locked, read.version_or_url?)?;
    Some(vec![(locked, read.extras)])
}

/// Takes over the version or the URL that a requirement is pinned to.
fn pinned(locked: &mut Locked, to: VersionOrUrl) -> Option<()> {
    match to {
        VersionOrUrl::VersionSpecifier(range) => {
            let mut each = range.iter();
            let (one, None) = (each.next()?, each.next()) else {
                return None;
            };
            if *one.operator() != Operator::Equal {
                return None;
            }
            locked.version = one.version().to_string();
        }
        VersionOrUrl::Url(url) => {
            let url = address::read(url.given().unwrap_or(&url.to_string()))
                .ok()?
                .0
                .to_string();
            let file = file_of(&url);
            let [sha256] = locked.hashes[..] else {
                return None;
            };
            locked.hashes.clear();
            let offer = Offer {
                url: Some(url),
                sha256: Some(sha256),
                size: None,
                file,
            };
            if is_wheel(&offer.file) {
                locked.version = super::WheelName::read(&offer.file)?.version;
                locked.wheels.push(offer);
            } else {
                locked.version = version_of(&offer.file, &locked.name)?;
                locked.sdist = Some(offer);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::super::Libc;
    use super::super::super::testing::{mangled, target};
    use super::*;

    const FILE: &str = "
-i https://h/simple
--extra-index-url=https://other/simple
-r more/deep.txt
-c constraints.txt
Six==1.17.0 \\
    --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274 \\
    --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000  # two files
colorama==0.4 ; sys_platform == 'win32' --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000
direct @ https://h/direct-2.0-py3-none-any.whl --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274
";

    fn environment() -> Environment {
        Environment::of(&target((3, 12), "linux/amd64", Libc::Glibc(2, 36))).unwrap()
    }

    fn closed(text: &str) -> Option<Closed> {
        let include = |from: &str, name: &str| {
            let deep = "torch[cuda]==2.5.1+cu121 --hash sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274\n-r deep.txt";
            match (from, name) {
                ("", "all.txt") => Some(("all.txt".to_owned(), text.to_owned())),
                (_, "more/deep.txt" | "deep.txt") => {
                    Some(("more/deep.txt".to_owned(), deep.to_owned()))
                }
                _ => None,
            }
        };
        read("all.txt", &include, &environment())
    }

    #[test]
    fn a_file_that_pins_everything_needs_no_resolver() {
        let closed = closed(FILE).unwrap();
        let told: Vec<_> = closed
            .locked
            .iter()
            .map(|it| {
                (
                    it.name.as_str(),
                    it.version.as_str(),
                    it.hashes.len(),
                    it.wheels.len(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                ("direct", "2.0", 0, 1),
                ("six", "1.17.0", 2, 0),
                ("torch", "2.5.1+cu121", 1, 0)
            ]
        );
        assert_eq!(closed.index.as_deref(), Some("https://h/simple"));
        assert_eq!(closed.extra_indexes, ["https://other/simple"]);
    }

    #[test]
    fn any_other_file_is_left_to_uv() {
        for (from, to) in [
            ("Six==1.17.0", "Six>=1.17.0"),
            ("Six==1.17.0", "Six==1.17.*"),
            ("Six==1.17.0", "Six"),
            ("Six==1.17.0", "Six===1.17.0"),
            ("-c constraints.txt", "--find-links https://h/files"),
            ("-c constraints.txt", "--no-binary :all:"),
            ("-c constraints.txt", "-r missing.txt"),
            ("-c constraints.txt", "-e git+https://h/x"),
            ("-i https://h/simple", "-i https://${TOKEN}@h/simple"),
            (
                "--hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274\n",
                "\n",
            ),
            (
                "-c constraints.txt",
                "direct==2 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274",
            ),
        ] {
            let text = FILE.replacen(from, to, 1);
            assert_ne!(text, FILE, "{from}");
            assert!(closed(&text).is_none(), "{to}");
        }
        assert!(closed("").is_none());
    }

    #[test]
    fn hashes_are_found_in_files_that_uv_resolves() {
        let text = FILE.replace(
            "-c constraints.txt",
            "--find-links x\nplain --config-settings a=b --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000\n-r missing.txt",
        );
        assert!(closed(&text).is_none());
        let found = |text: &str| {
            let include = |_: &str, name: &str| {
                (name == "all.txt").then(|| (name.to_owned(), text.to_owned()))
            };
            hashes("all.txt", &include, &environment())
        };
        let all = found(&text).unwrap();
        let counts: Vec<_> = all
            .iter()
            .map(|(name, all)| (name.as_str(), all.len()))
            .collect();
        assert_eq!(counts, [("direct", 1), ("plain", 1), ("six", 2)]);
        let other = found("six==1 --hash=sha512:00 # x\n");
        assert!(other.unwrap_err().starts_with("six has no sha256 hash"));
    }

    #[test]
    fn mangled_files_are_left_or_read() {
        for text in mangled(FILE) {
            let _ = closed(&text);
        }
    }
}
