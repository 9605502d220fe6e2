//! The files through which a step of GitHub Actions hands on what it has done: its summary and its outputs.
//!
//! They are written without being asked for, as the log is marked for GitHub: as long as the user does not choose how progress
//! is shown.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::failure::Failure;
use super::notifier::Notifier;
use super::screen::eprint_text;
use super::{metadata, output};
use crate::loopback::random_word;
use crate::report::Forge;
use crate::run::Summary;

pub(super) const SUMMARY: &str = "GITHUB_STEP_SUMMARY";
pub(super) const OUTPUT: &str = "GITHUB_OUTPUT";

/// What GitHub accepts of an output.
const LIMIT: usize = 1 << 20;

/// The file that a variable of GitHub names, if this is a step. A file that cannot be written, as in a container that does not
/// have it, is no reason not to build.
pub(super) fn file(variable: &str, context: &Context, notifier: &Notifier) -> Option<PathBuf> {
    if context.screen.forge() != Some(Forge::GitHub) {
        return None;
    }
    let named = context.env()(variable).filter(|path| !path.is_empty())?;
    let path = context.folder.join(named);
    if output::refuse_early("file", &path).is_err() {
        let path = path.display();
        notifier.warn(format!(
            "`{variable}` names `{path}`, which cannot be written here, so nothing is"
        ));
        return None;
    }
    Some(path)
}

/// Adds what was built to the outputs of the step: `images`, as in the metadata file, and `built`, the ids of what this run built.
pub(super) fn write_outputs(path: &Path, summary: &Summary) -> Result<(), Failure> {
    let built = summary.images.iter();
    let built = built.filter(|outcome| outcome.seconds.is_some());
    let built: Vec<&str> = built.map(|outcome| outcome.image.as_str()).collect();
    let values = [
        ("images", serde_json::to_string(&metadata::of(summary))),
        ("built", serde_json::to_string(&built)),
    ];
    let mut text = String::new();
    for (name, value) in values {
        let value = value.expect("our own values serialize");
        if value.len() > LIMIT {
            eprint_text(&format!(
                "the output `{name}` would be larger than GitHub accepts and is left out; `--metadata-file` has all images\n"
            ));
            continue;
        }
        let unwritten = |error| output::unwritten(path, &error);
        let end = format!("imgspec_{}", random_word().map_err(unwritten)?);
        text.push_str(&format!("{name}<<{end}\n{value}\n{end}\n"));
    }
    // What is there may lack the end of its last line; empty lines mean nothing.
    let is_empty = path.metadata().map_or(true, |meta| meta.len() == 0);
    let text = if is_empty { text } else { format!("\n{text}") };
    output::append(path, &text).map_err(|error| output::unwritten(path, &error))
}
