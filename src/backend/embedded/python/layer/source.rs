//! What goes into the layer of wheels.

use std::collections::BTreeMap;

use super::super::plan::{Content, Placed, Plan};
use super::super::record::Hash;
use super::super::zip::{Start, Zip, ZipError};
use crate::backend::BuildError;
use crate::backend::embedded::copy::Item;
use crate::backend::oci::layer::{Entry, EntryKind};

/// Smaller files are compressed anew, together with the heads beside them.
const SMALL: u64 = 2 << 10;

/// An open wheel with its plan.
pub(in crate::backend::embedded::python) struct Open {
    /// The name of its file.
    pub(in crate::backend::embedded::python) name: String,
    pub(in crate::backend::embedded::python) zip: Zip,
    pub(in crate::backend::embedded::python) starts: Vec<Start>,
    pub(in crate::backend::embedded::python) plan: Plan,
}

/// An entry of the layer.
pub(in crate::backend::embedded::python) enum Source<'a> {
    Folder(Item<'a>),
    File(&'a Open, &'a Placed),
}

/// The files of a layer by path, without slashes at their starts.
pub(in crate::backend::embedded::python) type Entries<'a> = BTreeMap<String, Source<'a>>;

/// How much is to be read for an entry.
pub(super) fn size(source: &Source<'_>) -> u64 {
    member(source).map_or(0, |(open, at, _)| open.zip.members[at].size)
}

pub(super) fn member<'a>(source: &Source<'a>) -> Option<(&'a Open, usize, &'a Hash)> {
    match source {
        Source::File(open, placed) => match &placed.content {
            Content::Member { at, hash } => Some((open, *at, hash)),
            Content::Made(_) => None,
        },
        Source::Folder(_) => None,
    }
}

/// Whether a file that is read at once is taken over as it is compressed in its wheel.
pub(super) fn is_spliced(source: &Source<'_>) -> bool {
    size(source) >= SMALL
}

/// A failure with a wheel in words.
pub(in crate::backend::embedded::python) fn told(wheel: &str, error: &ZipError) -> BuildError {
    match error {
        ZipError::Cancelled => BuildError::Cancelled,
        error => BuildError::Failed(format!("wheel `{wheel}`: {error}")),
    }
}

pub(super) fn entry<'a>(path: &'a str, source: &'a Source<'_>) -> Entry<'a> {
    match source {
        Source::Folder(item) => item.entry(),
        Source::File(open, placed) => {
            let size = match &placed.content {
                Content::Member { at, .. } => open.zip.members[*at].size,
                Content::Made(bytes) => bytes.len() as u64,
            };
            Entry {
                path,
                kind: EntryKind::File { size },
                mode: if placed.is_executable { 0o755 } else { 0o644 },
                uid: 0,
                gid: 0,
            }
        }
    }
}
