//! Python packages without running Python: which Python a base has, which wheels it wants, and how they become layers.

pub(super) mod archive;
pub(super) mod arguments;
mod entry_points;
mod environment;
pub(super) mod fetch;
#[cfg(test)]
mod fuzz;
pub(super) mod given;
mod index;
pub(super) mod indexes;
pub(super) mod install;
pub(super) mod kept;
mod layer;
mod locks;
pub(super) mod managed;
pub(super) mod onto;
mod places;
mod plan;
mod present;
mod record;
mod removal;
mod replace;
mod scheme;
mod simple;
pub(super) mod sources;
pub(super) mod tags;
pub(super) mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod uv;
pub(super) mod venv;
pub(super) mod wanted;
mod whole;
mod zip;

use std::fmt;

use super::{address, logins, web};
use crate::backend::oci::name::Digest;
use crate::backend::platform::Platform;

/// The Python of an image, as its files show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Major and minor version.
    pub(super) version: (u32, u32),
    /// The whole version, such as `3.12.4`, if a file tells it.
    pub(super) full_version: Option<String>,
    pub(super) platform: Platform,
    pub(super) libc: Libc,
    /// The absolute path of the interpreter, as scripts name it.
    pub(super) interpreter: String,
    pub(super) scheme: Scheme,
}

/// The C library of an image, and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Libc {
    Glibc(u32, u32),
    Musl(u32, u32),
}

impl fmt::Display for Libc {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Glibc(major, minor) => write!(out, "glibc {major}.{minor}"),
            Self::Musl(major, minor) => write!(out, "musl {major}.{minor}"),
        }
    }
}

/// Where the parts of a package go: absolute paths of directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scheme {
    pub(super) purelib: String,
    pub(super) platlib: String,
    pub(super) scripts: String,
    pub(super) headers: String,
    pub(super) data: String,
}

/// A wheel that was chosen for a target, or the sources that one has to be built of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wheel {
    /// The name of the project, normalized as in PEP 503.
    pub(super) name: String,
    pub(super) version: String,
    /// The file name, which tells the tags.
    pub(super) file: String,
    /// Where it can be fetched; without credentials.
    pub(super) url: String,
    pub(super) sha256: Digest,
    /// Its size in bytes, if the source tells it.
    pub(super) size: Option<u64>,
    /// Whether the manifest names it, rather than another package.
    pub(super) is_requested: bool,
}
