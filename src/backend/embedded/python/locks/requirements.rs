//! A requirements file that pins everything by `==` and `--hash`: needs no resolver. Any other is uv's to read. Pure.

use std::collections::BTreeSet;
use std::str::FromStr;

use pep440_rs::Operator;
use pep508_rs::{Requirement, VersionOrUrl};

use super::{Locked, Offer, file_of, hash};
use crate::backend::embedded::python::address;
use crate::backend::embedded::python::environment::Environment;
use crate::backend::embedded::python::tags::normal;
use crate::fingerprint::requirement_lines;

/// What a closed file says.
#[derive(Debug, Default)]
pub(in super::super) struct Closed {
    pub(in super::super) locked: Vec<Locked>,
    pub(in super::super) index: Option<String>,
    pub(in super::super) extra_indexes: Vec<String>,
}

/// Reads a file; `include` gives the text of another one that a file names. `None` if it is not closed.
pub(in super::super) fn read(
    name: &str,
    include: &dyn Fn(&str, &str) -> Option<(String, String)>,
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

/// A pinned requirement; nothing if it is not for the target, and `None` if it is not pinned.
fn requirement(line: &str, environment: &Environment) -> Option<Option<Locked>> {
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
    let read: Requirement = Requirement::from_str(bare.trim()).ok()?;
    if !marker.trim().is_empty() && !environment.holds(marker.trim(), &[]).ok()? {
        return Some(None);
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
    match read.version_or_url? {
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
            locked.version = super::WheelName::read(&file)?.version;
            let [sha256] = locked.hashes[..] else {
                return None;
            };
            locked.hashes.clear();
            locked.wheels.push(Offer {
                url: Some(url),
                sha256: Some(sha256),
                size: None,
                file,
            });
        }
    }
    Some(Some(locked))
}
