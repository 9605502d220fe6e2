//! The file of `--metadata-file`: one JSON object per image.
//!
//! A regular file is replaced as a whole; anything else (a device, a pipe, `/dev/stdout`) is written to in place.
//! Errors that can be foreseen are reported before anything is built.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::failure::Failure;
use super::output;
use crate::disk::system_words;
use crate::recipe::repository;
use crate::run::Summary;

/// The file's entry for one image.
#[derive(Serialize)]
struct Metadata<'a> {
    reference: &'a str,
    digest: &'a str,
    /// Where a push stored the image, by digest: the only name that another push cannot take over.
    pushed: Option<String>,
    key: String,
    backend: &'a str,
    seconds: Option<f64>,
}

/// Fails if the file could not be written once everything is built.
pub(super) fn refuse_early(path: &Path) -> Result<(), Failure> {
    let refuse = |why: String| {
        let message = format!(
            "the metadata file `{}` cannot be written: {why}",
            path.display()
        );
        Err(Failure::usage(
            message,
            "name a file in an existing directory",
        ))
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    if path.is_dir() {
        refuse("it is a directory".to_owned())
    } else if folder.is_dir() {
        Ok(())
    } else {
        refuse(format!("there is no directory `{}`", folder.display()))
    }
}

pub(super) fn write(path: &Path, summary: &Summary) -> Result<(), Failure> {
    let images = summary.images.iter().map(|outcome| {
        let (artifact, pushed) = (&outcome.artifact, outcome.pushed.as_ref());
        let metadata = Metadata {
            reference: &artifact.reference,
            digest: &artifact.digest,
            pushed: pushed.map(|digest| format!("{}@{digest}", repository(&artifact.reference))),
            key: outcome.key.to_string(),
            backend: &artifact.backend,
            seconds: outcome.seconds,
        };
        (outcome.image.as_str(), metadata)
    });
    let images: BTreeMap<&str, Metadata<'_>> = images.collect();
    let text = serde_json::to_string_pretty(&images).expect("our own values serialize") + "\n";
    output::put(path, &text).map_err(|error| {
        let message = format!(
            "the metadata file `{}` cannot be written: {}",
            path.display(),
            system_words(&error)
        );
        Failure::usage(message, "the images were built nevertheless")
    })
}
