//! The Debian packages that the lock has: fetched by their hashes, wherever lists of archives have moved on, and installed as
//! they are. Nothing is chosen: only whether they fit what the image has is verified, by what the packages say themselves.

use std::sync::Arc;

use super::files::{get, stanza, status};
use super::index::Index;
use super::pool::{Listing, Pool};
use super::solve;
use super::sources::Files;
use super::state::SolveError;
use super::{ChooseError, Package};
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::{at_once, failed};
use crate::workspace::{LOCK_FILE, LockedDeb};

/// apt's priority of archives; there is only one.
const PRIORITY: u16 = 500;

/// The locked packages that the image lacks, which the store then has, in the order of their needs.
pub(super) fn choose(
    debs: &[LockedDeb],
    files: &Files,
    architecture: &str,
    image: &str,
    source: &Source<'_>,
) -> Result<Vec<Package>, ChooseError> {
    let packages = get(debs, image, source)?;
    let stanzas = at_once(&packages, |package| stanza(package, architecture, source))?;
    let list = Index::encode(&stanzas.concat());
    let list = list.map_err(|why| failed(format!("`{LOCK_FILE}`: {why}")))?;
    let listing = Listing {
        index: Arc::new(Index::read(list).ok_or_else(|| failed("packages cannot be listed"))?),
        archive: String::new(),
        priority: PRIORITY,
    };
    let pool = Pool::new(vec![listing], &status(files), architecture);
    let pool = pool.map_err(ChooseError::Unclear)?;
    let is_missing = |package: &&Package| {
        let own = pool.installed().get(&package.name);
        own.is_none_or(|own| own.version != package.version)
    };
    let wanted = packages.iter().filter(is_missing);
    let wanted: Vec<String> = wanted
        .map(|package| format!("{}={}", package.name, package.version))
        .collect();
    let solved = solve::solve(&pool, &wanted, None).map_err(|error| match error {
        SolveError::None(why) => ChooseError::Failed(failed(format!(
            "its Debian packages in `{LOCK_FILE}` do not fit what it is built on: {why}; run `imgspec lock --update {image}`"
        ))),
        unclear @ SolveError::Unclear(_) => unclear.into(),
    })?;
    let each = solved.packages.iter().map(|known| {
        let package = packages.iter().find(|package| package.name == known.name);
        let package = package.ok_or_else(|| failed(format!("`{}` is not locked", known.name)))?;
        Ok(Package {
            multi_arch: known.multi_arch.clone(),
            is_essential: known.is_essential,
            replaces: pool
                .installed()
                .get(&known.name)
                .map(|old| old.version.clone()),
            ..package.clone()
        })
    });
    let packages: Result<Vec<Package>, BuildError> = each.collect();
    Ok(packages?)
}
