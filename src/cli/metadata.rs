//! The file of `--metadata-file`: one JSON object per image, which the outputs of a step of GitHub Actions have too.
//!
//! Written by every run, and by each wave of a watch.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::failure::Failure;
use super::output;
use crate::recipe::repository;
use crate::run::Summary;

/// The file's entry for one image.
#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    reference: &'a str,
    /// Its further names.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    names: &'a [String],
    digest: &'a str,
    /// Where a push stored the image, by digest: the only name that another push cannot take over.
    pushed: Option<String>,
    key: String,
    backend: &'a str,
    seconds: Option<f64>,
}

const WHAT: &str = "metadata file";

/// Fails if the file could not be written once everything is built.
pub(super) fn refuse_early(path: &Path) -> Result<(), Failure> {
    output::refuse_early(WHAT, path)
}

pub(super) fn write(path: &Path, summary: &Summary) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&of(summary)).expect("our own values serialize") + "\n";
    output::leave(WHAT, path, &text)
}

/// The entries of all images that exist now, by id.
pub(super) fn of(summary: &Summary) -> BTreeMap<&str, Metadata<'_>> {
    let images = summary.images.iter().map(|outcome| {
        let (artifact, pushed) = (&outcome.artifact, outcome.pushed.as_ref());
        let metadata = Metadata {
            reference: &artifact.reference,
            names: &outcome.names,
            digest: &artifact.digest,
            pushed: pushed.map(|digest| format!("{}@{digest}", repository(&artifact.reference))),
            key: outcome.key.to_string(),
            backend: &artifact.backend,
            seconds: outcome.seconds,
        };
        (outcome.image.as_str(), metadata)
    });
    images.collect()
}
