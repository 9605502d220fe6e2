//! Gets files that are known by their hash: each becomes a blob of the store, verified while it arrives.

use super::base::Source;
use super::common::{at_once, failed, stored};
use super::web::{Web, failure};
use crate::backend::BuildError;
use crate::backend::oci::name::Digest;

/// A file to fetch.
pub(super) struct Wanted<'a> {
    /// For messages.
    pub(super) name: &'a str,
    pub(super) url: String,
    pub(super) sha256: Digest,
    /// In bytes, if it is known.
    pub(super) size: Option<u64>,
}

/// Fetches what the store lacks, a few files at once. Of all builds, one fetches each.
pub(super) fn all(
    wanted: &[Wanted<'_>],
    web: &Web<'_>,
    source: &Source<'_>,
) -> Result<(), BuildError> {
    each(wanted, web, source, &|_| {})
}

/// The same; `ready` is told the number of each file that is there, as soon as it is.
pub(super) fn each(
    wanted: &[Wanted<'_>],
    web: &Web<'_>,
    source: &Source<'_>,
    ready: &(dyn Fn(usize) + Sync),
) -> Result<(), BuildError> {
    // The largest first, so that none of them is left for the end.
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(wanted[*at].size));
    let mut missing = Vec::new();
    for at in order {
        if is_there(&wanted[at], source)? {
            ready(at);
        } else {
            missing.push(at);
        }
    }
    at_once(&missing, |at| {
        one(&wanted[*at], web, source)?;
        ready(*at);
        Ok::<_, BuildError>(())
    })?;
    Ok(())
}

fn one(file: &Wanted<'_>, web: &Web<'_>, source: &Source<'_>) -> Result<(), BuildError> {
    let what = format!("`{}`", file.name);
    let whom = format!("another run that is fetching {what}");
    let turn = source.turn(&file.sha256.hex(), &whom).map_err(stored)?;
    let _turn = turn.ok_or(BuildError::Cancelled)?;
    if is_there(file, source)? {
        return Ok(());
    }
    source.notes.log(&format!("fetching {}", file.name));
    let at = super::address::read(&file.url);
    let (at, _) = at.map_err(|why| failed(format!("{}: {why}", file.name)))?;
    web.fetch(&at, file.sha256, file.size)
        .map_err(|error| failure(&what, error))
}

fn is_there(file: &Wanted<'_>, source: &Source<'_>) -> Result<bool, BuildError> {
    Ok(source.store.size(file.sha256).map_err(stored)?.is_some())
}
