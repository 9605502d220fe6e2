//! The Debian packages that the lock has: fetched by their hashes, wherever lists of archives have moved on, and installed as
//! they are. Nothing is chosen: only whether they fit what the image has is verified, by what the packages say themselves.

use std::io::BufReader;
use std::sync::Arc;

use super::choose::{fetch, status};
use super::control;
use super::deb;
use super::index::Index;
use super::pool::{Listing, Pool};
use super::solve;
use super::sources::Files;
use super::state::SolveError;
use super::{ChooseError, Package};
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::{at_once, failed, stored};
use crate::backend::oci::name::Digest;
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

/// The packages, which the store then has, in the lock's order.
pub(super) fn get(
    debs: &[LockedDeb],
    image: &str,
    source: &Source<'_>,
) -> Result<Vec<Package>, BuildError> {
    let packages: Result<Vec<Package>, BuildError> = debs.iter().map(package).collect();
    let packages = packages?;
    fetch(&packages, source).map_err(|error| match error {
        BuildError::Failed(why) => failed(format!(
            "{why}; `{LOCK_FILE}` has this package for `{image}`. Archives remove old versions: `imgspec lock --update {image}` \
             takes what there is now, and a snapshot of the archive keeps what there was"
        )),
        error => error,
    })?;
    Ok(packages)
}

/// A package as the lock has it.
fn package(deb: &LockedDeb) -> Result<Package, BuildError> {
    let damaged = || failed(format!("`{LOCK_FILE}` has `{}` from no place", deb.name));
    let sha256 = Digest::read(&deb.sha256).ok_or_else(damaged)?;
    let (archive, filename) = deb.url.rsplit_once('/').ok_or_else(damaged)?;
    Ok(Package {
        name: deb.name.clone(),
        version: deb.version.clone(),
        architecture: deb.architecture.clone(),
        multi_arch: String::new(),
        is_essential: false,
        filename: filename.to_owned(),
        size: deb.size,
        sha256,
        stanza: String::new(),
        archive: format!("{archive}/"),
        replaces: None,
        is_requested: deb.is_requested,
    })
}

/// What a package that the store has says of itself, if it is the one that the lock means.
fn stanza(
    package: &Package,
    architecture: &str,
    source: &Source<'_>,
) -> Result<String, BuildError> {
    let wrong = |why: String| failed(format!("package `{}`: {why}", package.name));
    let (file, _) = source.store.read(package.sha256).map_err(stored)?;
    let control =
        deb::control_of(BufReader::new(file)).map_err(|error| wrong(error.to_string()))?;
    let stanza = control::single(&control).map_err(|error| wrong(error.to_string()))?;
    let says = ["Package", "Version", "Architecture"].map(|field| stanza.line(field).trim());
    if says != [&package.name, &package.version, &package.architecture] {
        let why = format!(
            "it is `{}`, which `{LOCK_FILE}` does not say",
            says.join(" ")
        );
        return Err(wrong(why));
    }
    if ![architecture, "all"].contains(&says[2]) {
        return Err(wrong(format!(
            "it is for `{}`, not for {architecture}",
            says[2]
        )));
    }
    Ok(format!("{}\n\n", stanza.text().trim_end()))
}

/// dpkg's stanza of a package that will be installed: from a list that still has it, or from the package itself.
pub(super) fn installed(
    deb: &LockedDeb,
    listings: &[Listing],
    source: &Source<'_>,
) -> Result<String, ChooseError> {
    let listed = listings.iter().find_map(|listing| {
        let index = &listing.index;
        let mut all = index.named(&deb.name).map(|at| index.stanza(at));
        all.find(|text| {
            control::single(text).is_ok_and(|stanza| {
                deb.sha256.strip_prefix("sha256:") == Some(stanza.line("SHA256").trim())
            })
        })
    });
    let text = match listed {
        Some(text) => text.to_owned(),
        None => {
            let packages = get(std::slice::from_ref(deb), &deb.name, source)?;
            stanza(&packages[0], &deb.architecture, source)?
        }
    };
    Ok(format!(
        "{}\nStatus: install ok installed\n\n",
        text.trim_end()
    ))
}
