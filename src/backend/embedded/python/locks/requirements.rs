//! A requirements file that pins everything by `==` and `--hash`: needs no resolver. Any other is uv's to read. Pure.

use std::collections::BTreeSet;

use pep440_rs::Operator;
use pep508_rs::VersionOrUrl;

use super::super::environment::read_requirement;
use super::{Locked, Offer, file_of, hash, is_wheel};
use crate::backend::embedded::python::address;
use crate::backend::embedded::python::environment::Environment;
use crate::backend::embedded::python::places::normal;
use crate::backend::embedded::python::sources::version_of;
use crate::fingerprint::requirement_lines;

/// What a closed file says.
#[derive(Debug, Default)]
pub(in super::super) struct Closed {
    pub(in super::super) locked: Vec<Locked>,
    pub(in super::super) index: Option<String>,
    pub(in super::super) extra_indexes: Vec<String>,
}

/// Finds a file by the one that names it, and by its name there: its path and its text.
pub(in super::super) type Include<'a> = &'a dyn Fn(&str, &str) -> Option<(String, String)>;

/// Reads a file with those that it includes. `None` if it is not closed.
pub(in super::super) fn read(
    name: &str,
    include: Include<'_>,
    environment: &Environment,
) -> Option<Closed> {
    let mut closed = Closed::default();
    let mut ahead = vec![include("", name)?];
    let mut seen = BTreeSet::from([ahead[0].0.clone()]);
    while let Some((place, text)) = ahead.pop() {
        for line in requirement_lines(&text) {
            let line = line.trim();
            if line.contains("${") {
                return None;
            }
            if !line.starts_with('-') {
                if !line.is_empty() {
                    closed.locked.extend(requirement(line, environment)?);
                }
                continue;
            }
            let words = shlex::split(line)?;
            let (option, value) = match words.as_slice() {
                [both] => both.split_once('=').unwrap_or((both, "")),
                [option, value] => (option.as_str(), value.as_str()),
                _ => return None,
            };
            match option {
                "-r" | "--requirement" | "--requirements" => {
                    let next = include(&place, value)?;
                    if seen.insert(next.0.clone()) {
                        ahead.push(next);
                    }
                }
                // What is pinned is not chosen.
                "-c" | "--constraint" | "--constraints" | "--require-hashes"
                | "--prefer-binary" => {}
                "-i" | "--index-url" => closed.index = Some(value.to_owned()),
                "--extra-index-url" => closed.extra_indexes.push(value.to_owned()),
                _ => return None,
            }
        }
    }
    closed
        .locked
        .sort_by(|one, other| one.name.cmp(&other.name));
    let mut twins = closed.locked.windows(2);
    let is_double = twins.any(|two| two[0].name == two[1].name);
    (!is_double && !closed.locked.is_empty()).then_some(closed)
}

/// A pinned requirement, if it is for the target; `None` if it is not pinned.
fn requirement(line: &str, environment: &Environment) -> Option<Vec<Locked>> {
    const LONGEST: usize = 64 << 10;
    if line.len() > LONGEST {
        return None;
    }
    let mut parts = line.split("--hash");
    let text = parts.next()?.trim();
    let mut hashes = Vec::new();
    for part in parts {
        let value = part.trim_start_matches(['=', ' ', '\t']).trim();
        // Another kind of hash says nothing about the file in a store of sha256.
        hashes.push(hash(value).ok()?);
    }
    if hashes.is_empty() || text.contains(" --") {
        return None;
    }
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
    Some(vec![locked])
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

    fn closed(text: &str) -> Option<Closed> {
        let environment =
            Environment::of(&target((3, 12), "linux/amd64", Libc::Glibc(2, 36))).unwrap();
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
        read("all.txt", &include, &environment)
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
    fn mangled_files_are_left_or_read() {
        for text in mangled(FILE) {
            let _ = closed(&text);
        }
    }
}
