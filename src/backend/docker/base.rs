//! Bases in files: the tar of a root file system, which `ADD` unpacks. It would unpack an archive of images too, to
//! something that is no base, so what the file contains is looked at first.

use crate::backend::oci::archive::{self, Content};
use crate::backend::oci::layer::LayerError;
use crate::backend::steps::{main_file, shown};
use crate::backend::{BuildError, Job, context};
use crate::cancel::Cancel;

/// Checks that the base of a job, if it is in a file, is a root file system.
pub(super) fn check(job: &Job<'_>, cancel: &Cancel) -> Result<(), BuildError> {
    let Some(files) = job.files.last().filter(|_| job.recipe.base_file.is_some()) else {
        return Ok(());
    };
    let path = shown(files);
    let refused = |why: &str| BuildError::Step {
        field: "base-image".to_owned(),
        error: Box::new(BuildError::Failed(format!(
            "`{path}` cannot be used as a base: {why}"
        ))),
    };
    let is_it = |path: &str| path == main_file(files);
    let mut entries = files.entries.iter();
    let entry = entries.find(|entry| files.single && is_it(&entry.path));
    let others = "; the embedded builder can use it (`builder \"oci\"`)";
    let Some(entry) = entry else {
        let why =
            format!("Docker builds on the tar of a root file system, not on a directory{others}");
        return Err(refused(&why));
    };
    let file = context::verified(files, entry)?;
    match archive::content(file, &|| cancel.is_requested()) {
        Ok(Content::RootFs) => Ok(()),
        Ok(Content::Images) => {
            let why = format!("it contains images, not a root file system{others}");
            Err(refused(&why))
        }
        Err(LayerError::Cancelled) => Err(BuildError::Cancelled),
        Err(error) => Err(refused(&error.to_string())),
    }
}
