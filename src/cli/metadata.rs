//! The file of `--metadata-file`: one JSON object an image.
//!
//! A plain file is replaced whole; what is no plain file (a device, a pipe, `/dev/stdout`) is written to
//! and stays what it is; what can be refused is refused before anything is built.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::failure::Failure;
use super::output;
use crate::disk::system_words;
use crate::recipe::repository;
use crate::run::Summary;

/// What the file says of one image.
#[derive(Serialize)]
struct Metadata<'a> {
    reference: &'a str,
    digest: &'a str,
    /// Where a push put it: the one name that no other push takes.
    pushed: Option<String>,
    key: String,
    backend: &'a str,
    seconds: Option<f64>,
}

/// Refuses what could not be written when everything is built.
pub(super) fn refuse_early(path: &Path) -> Result<(), Failure> {
    let refuse = |why: String| {
        let message = format!(
            "the metadata file `{}` cannot be written: {why}",
            path.display()
        );
        Err(Failure::usage(
            message,
            "name a file in a directory that is there",
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
    let text = serde_json::to_string_pretty(&images).expect("our own values serialise") + "\n";
    output::put(path, &text).map_err(|error| {
        let message = format!(
            "the metadata file `{}` cannot be written: {}",
            path.display(),
            system_words(&error)
        );
        Failure::usage(message, "the images are built all the same")
    })
}
