//! Bases in files: the tar of a root file system, which `ADD` unpacks. It would unpack an archive of images too, to
//! something that is no base, so what the file contains is looked at first.

use std::sync::Arc;

use crate::backend::oci::archive::{self, Content};
use crate::backend::oci::layer::LayerError;
use crate::backend::steps::{main_file, shown};
use crate::backend::{BuildError, Job, Unsupported, context};
use crate::cancel::Cancel;
use crate::fingerprint::{Entry, Files};
use crate::recipe::Recipe;

/// The embedded builder can use it.
const OTHERS: &str = "; the embedded builder can use it (`builder \"oci\"`)";

/// Why the base of a recipe, if it is in a file, is none for Docker, as far as that can be told at once.
pub(super) fn unusable(recipe: &Recipe, files: &[Arc<Files>]) -> Option<Unsupported> {
    let files = files.last().filter(|_| recipe.base_file.is_some())?;
    let why = match entry(files) {
        None => no_folder(files),
        Some(entry) => {
            let file = context::opened(files, entry).ok()?;
            let content = archive::content_at_once(file, &|| false);
            (content == Some(Content::Images)).then(|| no_images(files))?
        }
    };
    let field = "base-image".to_owned();
    Some(Unsupported { field, why })
}

/// Checks that the base of a job, if it is in a file, is a root file system.
pub(super) fn check(job: &Job<'_>, cancel: &Cancel) -> Result<(), BuildError> {
    let Some(files) = job.files.last().filter(|_| job.recipe.base_file.is_some()) else {
        return Ok(());
    };
    let refused = |why: String| BuildError::Step {
        field: "base-image".to_owned(),
        error: Box::new(BuildError::Failed(why)),
    };
    let Some(entry) = entry(files) else {
        return Err(refused(no_folder(files)));
    };
    let file = context::verified(files, entry)?;
    match archive::content(file, &|| cancel.is_requested()) {
        Ok(Content::RootFs) => Ok(()),
        Ok(Content::Images) => Err(refused(no_images(files))),
        Err(LayerError::Cancelled) => Err(BuildError::Cancelled),
        Err(error) => Err(refused(cannot(files, &error.to_string()))),
    }
}

/// The file with the base; `None` if it is a directory.
fn entry(files: &Files) -> Option<&Entry> {
    let mut entries = files.entries.iter();
    entries.find(|entry| files.single && entry.path == main_file(files))
}

fn no_folder(files: &Files) -> String {
    let why = "Docker builds on the tar of a root file system, not on a directory";
    cannot(files, &format!("{why}{OTHERS}"))
}

fn no_images(files: &Files) -> String {
    let why = "it contains images, not a root file system";
    cannot(files, &format!("{why}{OTHERS}"))
}

fn cannot(files: &Files, why: &str) -> String {
    format!("`{}` cannot be used as a base: {why}", shown(files))
}
