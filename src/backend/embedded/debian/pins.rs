//! Debian packages for `imgspec lock`: what a build would install now, found out without building anything.
//!
//! What is below them is read from outside images and files; what the lock has of images of the workspace counts as installed.

use std::path::PathBuf;

use super::choose::choose;
use super::install::{architecture, set_of, system_files};
use super::sources::Files;
use super::{ChooseError, Package, Request, boot, settings};
use crate::backend::BuildError;
use crate::backend::embedded::base::{Image, Source};
use crate::backend::embedded::common::{at_once, failed};
use crate::backend::embedded::files;
use crate::backend::embedded::trees;
use crate::backend::packages::{NotFound, RequestedDebs};
use crate::backend::platform::Platform;
use crate::recipe::DebianBelow;
use crate::spec::SecretStep;
use crate::workspace::{DebianField, LockedDeb, LockedImage};

/// Answers questions about Debian packages, a few at once.
pub(in super::super) fn find(
    wanted: &[RequestedDebs<'_>],
    source: &Source<'_>,
) -> Vec<Result<Vec<LockedDeb>, NotFound>> {
    let answers = at_once(wanted, |wanted| Ok::<_, NotFound>(find_one(wanted, source)));
    answers.unwrap_or_default()
}

fn find_one(wanted: &RequestedDebs<'_>, source: &Source<'_>) -> Result<Vec<LockedDeb>, NotFound> {
    let is_apt = wanted.of.field == DebianField::Apt;
    if is_apt && wanted.recipe.secrets_of(SecretStep::Apt).next().is_some() {
        let why = "they need a secret, and only apt knows what to do with it";
        return Err(NotFound::Unknowable(why.to_owned()));
    }
    let (mut packages, mut set) = (wanted.of.packages.to_vec(), None);
    if let (false, DebianBelow::Suite(debian)) = (is_apt, wanted.of.lowest) {
        (packages, set) = (boot::besides(debian), Some(set_of(debian.variant)));
    }
    let files = files_below(wanted, source)?;
    let below: Vec<&LockedDeb> = wanted.below.iter().flat_map(|list| &list.debs).collect();
    let request = Request {
        files: &files,
        architecture: architecture(&Platform::read(wanted.platform)).map_err(not_found)?,
        packages: &packages,
        set,
        below: &below,
        preferred: wanted.preferred,
    };
    let chosen = choose(&request, source).map_err(|error| match (error, wanted.of.running) {
        (ChooseError::Unclear(why), _) => NotFound::Unknowable(why),
        (ChooseError::Failed(error @ BuildError::Failed(_)), Some(image)) => NotFound::Unknowable(
            format!("{error}; what `{image}` copies and runs may change that, which shows only when it is built"),
        ),
        (ChooseError::Failed(error), _) => not_found(error),
    })?;
    let mut debs: Vec<LockedDeb> = chosen.packages.into_iter().map(locked).collect();
    debs.sort();
    Ok(debs)
}

/// apt's and dpkg's files of what is lowest below.
fn files_below(wanted: &RequestedDebs<'_>, source: &Source<'_>) -> Result<Files, NotFound> {
    let unknowable = |why: String| Err(NotFound::Unknowable(why));
    let image = match wanted.of.lowest {
        DebianBelow::Suite(debian) => return Ok(system_files(&boot::sources(debian))),
        DebianBelow::Built(image) => {
            return unknowable(format!("what `{image}` has shows only when it is built"));
        }
        DebianBelow::Nothing => {
            return unknowable("nothing that they are built on has packages".to_owned());
        }
        DebianBelow::File(file) => match wanted.base_files {
            Some(files) => files::base(files, file.name, wanted.platform, source),
            None => return unknowable("the files of its base cannot be read".to_owned()),
        },
        DebianBelow::Outside(reference) => {
            let pinned = match wanted.outside {
                Some(LockedImage::Id(_)) => {
                    return unknowable(format!(
                        "`{reference}` is only in the local store, where its files cannot be read"
                    ));
                }
                Some(LockedImage::Digest(digest)) => Some(digest.as_str()),
                None => None,
            };
            source.registry(reference, pinned, wanted.platform)
        }
    };
    image
        .and_then(|image| read(&image, source))
        .map_err(not_found)
}

fn read(image: &Image, source: &Source<'_>) -> Result<Files, BuildError> {
    let layers: Vec<PathBuf> = trees::of(image, trees::here(), source)?;
    settings::read(image, &layers).map_err(failed)
}

fn locked(package: Package) -> LockedDeb {
    let url = format!("{}{}", package.archive, package.filename);
    LockedDeb {
        name: package.name,
        version: package.version,
        architecture: package.architecture,
        sha256: package.sha256.to_string(),
        size: package.size,
        url,
        is_requested: package.is_requested,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn not_found(error: BuildError) -> NotFound {
    NotFound::Failed(error.to_string())
}
