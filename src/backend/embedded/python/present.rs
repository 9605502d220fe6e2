//! Which packages an image has where packages are installed, by the names of their metadata. Pure.
//!
//! Only the directories of the scheme count, as with uv: packages of a distribution that are elsewhere on Python's path
//! (Debian's in `/usr/lib/python3/dist-packages`) stay as they are, and what is installed is found before them.

use std::collections::{BTreeMap, BTreeSet};

use super::Scheme;
use super::places::normal;
use crate::backend::oci::tree::{NoWay, Tree};

/// How an installed package is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metadata {
    /// `name-1.0.dist-info`, with a RECORD of all files.
    Wheel,
    /// A directory `name-1.0.egg-info`, with a list of modules.
    Egg,
    /// A file `name-1.0.egg-info`, which does not tell what belongs to the package.
    Distutils,
    /// `name.egg-link`, which leads to the package's sources.
    Sources,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Present {
    /// The directory where it is: a path in the image after links, without slashes at its ends.
    pub(super) library: String,
    /// The name of its metadata there.
    pub(super) entry: String,
    pub(super) metadata: Metadata,
    /// Its version, if the name tells it.
    pub(super) version: Option<String>,
}

impl Present {
    /// The path of its metadata.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.library, self.entry)
    }
}

/// The packages of an image by normalized name.
pub(super) fn find(tree: &Tree, scheme: &Scheme) -> Result<BTreeMap<String, Vec<Present>>, NoWay> {
    let mut found: BTreeMap<String, Vec<Present>> = BTreeMap::new();
    for library in libraries(tree, scheme)? {
        for entry in tree.names(&library) {
            let Some(named) = read(entry) else {
                continue;
            };
            let path = format!("{library}/{entry}");
            // Archives need not mention a directory besides what is in it.
            let is_folder = tree.is_folder(&path) || tree.get(&path).is_none();
            let kind = if is_folder {
                named.as_folder
            } else {
                named.as_file
            };
            let Some(metadata) = kind else {
                continue;
            };
            found.entry(normal(named.name)).or_default().push(Present {
                library: library.clone(),
                entry: entry.to_owned(),
                metadata,
                version: named.version.map(str::to_owned),
            });
        }
    }
    Ok(found)
}

/// The directories where packages are installed, after links.
fn libraries(tree: &Tree, scheme: &Scheme) -> Result<BTreeSet<String>, NoWay> {
    let both = [&scheme.purelib, &scheme.platlib];
    both.iter().map(|path| tree.resolve(path)).collect()
}

/// What the name of a package's metadata tells.
struct Named<'a> {
    name: &'a str,
    version: Option<&'a str>,
    as_file: Option<Metadata>,
    as_folder: Option<Metadata>,
}

fn read(entry: &str) -> Option<Named<'_>> {
    let (stem, as_file, as_folder) = if let Some(stem) = entry.strip_suffix(".dist-info") {
        (stem, None, Some(Metadata::Wheel))
    } else if let Some(stem) = entry.strip_suffix(".egg-info") {
        (stem, Some(Metadata::Distutils), Some(Metadata::Egg))
    } else {
        let stem = entry.strip_suffix(".egg-link")?;
        (stem, Some(Metadata::Sources), None)
    };
    let mut parts = stem.split('-');
    Some(Named {
        name: parts.next().filter(|name| !name.is_empty())?,
        version: parts.next(),
        as_file,
        as_folder,
    })
}
