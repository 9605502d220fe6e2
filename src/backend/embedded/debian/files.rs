//! The files of packages: chosen ones and those that the lock has are fetched the same way, and say themselves what they are.

use std::io::BufReader;

use super::control;
use super::deb;
use super::pool::Listing;
use super::sources::Files;
use super::{ChooseError, Package};
use crate::backend::BuildError;
use crate::backend::embedded::base::Source;
use crate::backend::embedded::common::{failed, stored};
use crate::backend::embedded::fetch::{self, Wanted};
use crate::backend::embedded::logins::Logins;
use crate::backend::embedded::web::Web;
use crate::backend::oci::name::Digest;
use crate::workspace::{LOCK_FILE, LockedDeb};

/// dpkg's list of what the base has.
pub(super) fn status(files: &Files) -> String {
    let status = files.get("var/lib/dpkg/status").map(Vec::as_slice);
    let mut status = String::from_utf8_lossy(status.unwrap_or_default()).into_owned();
    while !status.is_empty() && !status.ends_with("\n\n") {
        status.push('\n');
    }
    status
}

/// Puts the files of packages into the store, each as a blob by its sha256; `ready` is told the number of each package that is
/// there, as soon as it is.
pub(super) fn fetch(
    packages: &[Package],
    source: &Source<'_>,
    ready: &(dyn Fn(usize) + Sync),
) -> Result<(), BuildError> {
    let mut wanted = Vec::new();
    for package in packages {
        let url = format!("{}{}", package.archive, package.filename);
        wanted.push(Wanted {
            name: package
                .filename
                .rsplit('/')
                .next()
                .unwrap_or(&package.filename),
            url,
            sha256: package.sha256,
            size: Some(package.size),
        });
    }
    let logins = Logins::default();
    fetch::each(&wanted, &Web::of_archives(&logins, source), source, ready)
}

/// The packages, which the store then has, in the lock's order.
pub(super) fn get(
    debs: &[LockedDeb],
    image: &str,
    source: &Source<'_>,
) -> Result<Vec<Package>, BuildError> {
    let packages: Result<Vec<Package>, BuildError> = debs.iter().map(package).collect();
    let packages = packages?;
    fetch(&packages, source, &|_| {}).map_err(|error| match error {
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
pub(super) fn stanza(
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
    let text = if let Some(text) = listed {
        text.to_owned()
    } else {
        let packages = get(std::slice::from_ref(deb), &deb.name, source)?;
        stanza(&packages[0], &deb.architecture, source)?
    };
    Ok(format!(
        "{}\nStatus: install ok installed\n\n",
        text.trim_end()
    ))
}
