//! Debian packages: which ones a base lacks, from signed archives, and their files (`choose`); how they become layers
//! (`install`).
//!
//! What the lock has is taken as it is (`locked`); `pins` finds what to lock.
//!
//! `choose` answers what `apt-get install --no-install-recommends` would, `fetch` puts the packages into the store. What it
//! cannot answer exactly as apt does is left to apt: [`ChooseError::Unclear`].

mod archives;
mod boot;
pub(super) mod choose;
mod clash;
mod configure;
mod control;
mod database;
mod deb;
mod files;
#[cfg(test)]
mod fuzz;
mod given;
mod index;
pub(super) mod install;
mod keyring;
mod lay;
mod locked;
pub(super) mod pins;
mod pool;
mod relation;
mod release;
#[cfg(test)]
mod sample;
mod settings;
mod solve;
mod sources;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod unpack;
mod version;

use std::collections::BTreeMap;

use crate::backend::BuildError;
use crate::backend::oci::name::Digest;
use crate::workspace::LockedDeb;

/// What is to be installed, and on what.
pub(super) struct Request<'a> {
    /// The files of the base that [`is_read`] names, by their path without a leading `/`; of a base from nothing, those
    /// that it will have (sources and keyrings).
    pub(super) files: &'a BTreeMap<String, Vec<u8>>,
    /// Debian's name of the architecture, such as `amd64`.
    pub(super) architecture: &'a str,
    /// `name`, `name=version` or `name:architecture`, as `apt-packages` has them.
    pub(super) packages: &'a [String],
    /// For a base from nothing: what it has besides.
    pub(super) set: Option<Set>,
    /// What is installed beside what the files say.
    pub(super) below: &'a [&'a LockedDeb],
    /// Packages whose versions are preferred where an archive has them.
    pub(super) preferred: &'a [LockedDeb],
}

/// The packages of a new base, as the variants of mmdebstrap name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    /// `Essential: yes`, and what that needs.
    Essential,
    /// The essential ones, and `apt`.
    Apt,
    /// The essential and the required ones, and `apt`: `minbase`.
    Required,
    /// Those, and the important ones.
    Important,
}

/// The packages to install, in an order in which each follows what it depends on, as far as there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) packages: Vec<Package>,
}

/// A package of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// Debian's name, or `all`.
    pub(super) architecture: String,
    /// The value of `Multi-Arch`, such as `same`; empty if there is none. With `same`, files of dpkg's database are named
    /// `name:architecture`.
    pub(super) multi_arch: String,
    pub(super) is_essential: bool,
    /// Where it is, below `archive`.
    pub(super) filename: String,
    /// In bytes.
    pub(super) size: u64,
    /// Of the `.deb`, which is a blob of the store by this digest once it is fetched.
    pub(super) sha256: Digest,
    /// The stanza of the index, as far as it decides what is installed (relations, priority, hashes); the whole one is in
    /// the package.
    pub(super) stanza: String,
    /// The URL of the archive, which ends with `/`.
    pub(super) archive: String,
    /// The version that the base has, if this one takes its place.
    pub(super) replaces: Option<String>,
    /// Whether the request names it, rather than another package (`apt-mark showmanual`).
    pub(super) is_requested: bool,
}

/// Why nothing was chosen.
#[derive(Debug)]
pub(super) enum ChooseError {
    /// Only apt knows: the base has settings, or a state, that are not understood here. In words.
    Unclear(String),
    Failed(BuildError),
}

/// Whether a file of a base decides what is chosen: apt's sources, keyrings and settings, and dpkg's status. The path has no
/// leading `/`.
pub(super) fn is_read(path: &str) -> bool {
    const FILES: [&str; 2] = ["var/lib/dpkg/status", "var/lib/dpkg/arch"];
    const FOLDERS: [&str; 2] = ["etc/apt/", "usr/share/keyrings/"];
    FILES.contains(&path) || FOLDERS.iter().any(|folder| path.starts_with(folder))
}
