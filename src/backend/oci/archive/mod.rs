//! Images in archives, into the store and out of it: the way to and from a local Docker store.
//!
//! Knows no daemon. The choices made: archives are read as they come, by code of our own that holds no more of them than a few
//! small files, since what a stranger's archive claims must not fill the memory; what is written is an OCI layout and what
//! `docker load` takes, both at once, so that every image store gets the same image.

mod docker;
mod export;
mod import;
mod stream;
#[cfg(test)]
mod tests;

use std::io;

use super::manifest::NoManifest;
use super::name::Digest;
use super::store::StoreError;
pub use export::export_archive;
pub use import::{Limits, import_archive};

/// Why an archive was not taken in, or not written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It breaks off, or cannot be written.
    #[error("the archive breaks: {0}")]
    Broken(#[from] io::Error),
    /// It is no tar archive, or one that does not hold an image.
    #[error("the archive is not one of an image: {0}")]
    Wrong(String),
    /// It claims to be too large.
    #[error("the archive has more than {0}")]
    Large(String),
    /// Something in it does not fit.
    #[error("`{part}` of the archive: {why}")]
    Part {
        /// Where.
        part: String,
        /// What is wrong.
        why: String,
    },
    /// Something is not in it that should be.
    #[error("the archive lacks {0}")]
    Lacks(String),
    /// The store does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ArchiveError {
    fn part(part: impl Into<String>, why: &(impl ToString + ?Sized)) -> Self {
        Self::Part {
            part: part.into(),
            why: why.to_string(),
        }
    }

    fn manifest(digest: Digest) -> impl FnOnce(NoManifest) -> Self {
        move |error| Self::part(digest.to_string(), &error)
    }
}
