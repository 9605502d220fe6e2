//! Files that list the packages of a project: what of them a target wants, as package, version and files. Pure.
//!
//! Each format has its reader. All give the same, so what is chosen, refused and said is decided once.

mod content_hash;
#[cfg(test)]
mod fuzz;
pub(super) mod poetry;
pub(super) mod project;
pub(super) mod pylock;
pub(super) mod requirements;
pub(super) mod uv_lock;
mod walk;

use super::Wheel;
use super::places::normal;
use super::sources::{is_wheel, same_version};
use super::tags::{Tags, WheelName};
use crate::backend::oci::name::Digest;

/// Why a package is refused whose sources are not those of the whole archive.
const SUBDIRECTORY: &str = "its sources are in a subdirectory of an archive, which the embedded builder does not build; use a release of it, or another builder";

/// A package that a lock file wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Locked {
    /// Normalized.
    pub(super) name: String,
    pub(super) version: String,
    /// The wheels that the file names.
    pub(super) wheels: Vec<Offer>,
    /// The hashes of its files, where the file tells nothing else of them.
    pub(super) hashes: Vec<Digest>,
    /// The URL of the only index that may have it.
    pub(super) index: Option<String>,
    /// A source distribution of it.
    pub(super) sdist: Option<Offer>,
    /// Whether the project itself wants it, rather than another package.
    pub(super) is_requested: bool,
}

/// A file that can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) file: String,
    /// Where; `None` if an index has to be asked.
    pub(super) url: Option<String>,
    pub(super) sha256: Option<Digest>,
    pub(super) size: Option<u64>,
}

impl Locked {
    /// A package of which only one file is wanted.
    pub(super) fn of_wheel(name: &str, version: &str, file: &str, sha256: Digest) -> Self {
        let offer = Offer {
            file: file.to_owned(),
            url: None,
            sha256: Some(sha256),
            size: None,
        };
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            wheels: vec![offer],
            hashes: Vec::new(),
            index: None,
            sdist: None,
            is_requested: false,
        }
    }

    /// Leaves only files with one of these hashes, which a requirement gives.
    pub(super) fn keep_only(&mut self, hashes: &[Digest]) -> Result<(), String> {
        let is_given = |offer: &Offer| offer.sha256.is_some_and(|it| hashes.contains(&it));
        self.wheels.retain(is_given);
        self.sdist = self.sdist.take().filter(is_given);
        if self.wheels.is_empty() && self.sdist.is_none() {
            let Self { name, version, .. } = self;
            return Err(format!(
                "no file of {name} {version} has a hash that the requirements give for it"
            ));
        }
        Ok(())
    }

    /// The package with this file of it.
    pub(super) fn wheel(&self, offer: &Offer) -> Result<Wheel, String> {
        let missing = |what: &str| format!("`{}` has no {what}", offer.file);
        Ok(Wheel {
            name: self.name.clone(),
            version: self.version.clone(),
            url: offer.url.clone().ok_or_else(|| missing("address"))?,
            sha256: offer.sha256.ok_or_else(|| missing("sha256 hash"))?,
            size: offer.size,
            is_requested: self.is_requested,
            file: offer.file.clone(),
        })
    }
}

/// The best wheel of a package for a target, or else its sources if they may be built.
pub(super) fn choose<'a>(
    locked: &'a Locked,
    tags: &Tags,
    may_build: bool,
) -> Result<&'a Offer, String> {
    let Locked { name, version, .. } = locked;
    let mut ranked = Vec::new();
    for offer in &locked.wheels {
        let Some(wheel) = WheelName::read(&offer.file) else {
            continue;
        };
        if wheel.name != *name || !same_version(&wheel.version, version) {
            let file = &offer.file;
            return Err(format!("`{file}` is not a wheel of {name} {version}"));
        }
        ranked.extend(tags.rank(&wheel).map(|rank| (rank, offer)));
    }
    let best = ranked
        .into_iter()
        .min_by(|(one, _), (other, _)| one.cmp(other));
    let sources = locked.sdist.as_ref().filter(|_| may_build);
    best.map(|(_, offer)| offer).or(sources).ok_or_else(|| {
        let there = locked.wheels.iter().chain(&locked.sdist);
        let there = there.map(|offer| offer.file.as_str());
        none(locked, tags, there)
    })
}

/// The error for a package without a wheel for the target.
fn none<'a>(locked: &Locked, tags: &Tags, there: impl Iterator<Item = &'a str>) -> String {
    const ENOUGH: usize = 4;
    let Locked { name, version, .. } = locked;
    let there: Vec<&str> = there.collect();
    let only = match there.len() {
        0 => String::new(),
        1..=ENOUGH => format!(" (only {})", there.join(", ")),
        many => format!(
            " (only {} and {} more)",
            there[..ENOUGH].join(", "),
            many - ENOUGH
        ),
    };
    let why = match locked.sdist {
        Some(_) => "and its sources are not built here",
        None => "and there are no sources to build one of",
    };
    format!(
        "{name} {version} has no wheel for {}{only}, {why}; choose a version that has one",
        tags.best()
    )
}

/// The name of the file that a URL leads to.
pub(super) fn file_of(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    percent_encoding::percent_decode_str(name)
        .decode_utf8_lossy()
        .into_owned()
}

/// A hash as lock files write it: `sha256:…`.
fn hash(text: &str) -> Result<Digest, String> {
    Digest::read(&text.to_ascii_lowercase())
        .ok_or_else(|| format!("`{}` is not a sha256", text.escape_debug()))
}

/// A name that must be one of a package.
fn project_name(name: &str) -> Result<String, String> {
    let normal = normal(name);
    let is_fine = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    if normal.is_empty() || normal.len() > 255 || !normal.chars().all(is_fine) {
        let shown: String = name.chars().take(60).collect();
        return Err(format!(
            "`{}` is not the name of a package",
            shown.escape_debug()
        ));
    }
    Ok(normal)
}
