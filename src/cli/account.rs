//! The files that `graph build` leaves on request: an entry for each image, the timeline, and a summary; and those of a step of
//! GitHub's.
//!
//! Written after every run, also if images failed or the user interrupted it. A regular file is replaced as a whole; anything
//! else (a device, a pipe, `/dev/stdout`) is written to in place. Errors that can be foreseen are reported before anything is
//! built.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::notifier::Notifier;
use super::summary::{SummaryArgs, SummaryFile};
use super::{metadata, output, step};
use crate::run::{Event, History, Summary};
use crate::ui::Scene;
use crate::view::{Drawing, trace};

/// The files to write.
#[derive(Args)]
pub(super) struct Files {
    /// Write a JSON object with the reference, digest, key, backend and build time of each image to this file
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// Write when each image was built, and on which worker: as a page for browsers (FILE.html), or as a trace that Perfetto
    /// opens (FILE.json)
    #[arg(long, value_name = "FILE", value_parser = timeline)]
    timeline: Option<Timeline>,
    #[command(flatten)]
    pub(super) summary: SummaryArgs,
}

/// A file that says when images were built.
#[derive(Clone)]
struct Timeline {
    path: PathBuf,
    is_page: bool,
}

fn timeline(text: &str) -> Result<Timeline, String> {
    let path = PathBuf::from(text);
    let is_page = match path.extension().and_then(|ending| ending.to_str()) {
        Some("html") => true,
        Some("json") => false,
        _ => {
            return Err(
                "name a file that ends in `.html`, for a page, or in `.json`, for a trace"
                    .to_owned(),
            );
        }
    };
    Ok(Timeline { path, is_page })
}

/// The files to write, with their places, and what has happened so far.
pub(super) struct Account {
    metadata: Option<PathBuf>,
    timeline: Option<Timeline>,
    summary: Option<SummaryFile>,
    /// The outputs of a step.
    outputs: Option<PathBuf>,
    /// What is drawn; `None` if nothing but metadata is written.
    scene: Option<Scene>,
    history: History,
    /// When the run began, as time of day and as the zero of the history.
    began: (jiff::Timestamp, Instant),
}

const TIMELINE: &str = "timeline";

impl Files {
    /// The account of a run that has not begun; fails if a file could not be written once everything is built.
    pub(super) fn account(
        &self,
        context: &Context,
        notifier: &Notifier,
    ) -> Result<Account, Failure> {
        let metadata = self.metadata_file.as_ref();
        let metadata = metadata.map(|file| context.folder.join(file));
        if let Some(path) = &metadata {
            metadata::refuse_early(path)?;
        }
        let timeline = self.timeline.as_ref().map(|timeline| Timeline {
            path: context.folder.join(&timeline.path),
            ..*timeline
        });
        if let Some(timeline) = &timeline {
            output::refuse_early(TIMELINE, &timeline.path)?;
        }
        Ok(Account {
            metadata,
            timeline,
            summary: self.summary.of_run(context, notifier)?,
            outputs: step::file(step::OUTPUT, context, notifier),
            scene: None,
            history: History::default(),
            began: (jiff::Timestamp::now(), Instant::now()),
        })
    }
}

impl Account {
    /// The run begins.
    pub(super) fn begin(&mut self, scene: impl FnOnce() -> Scene) {
        if self.timeline.is_some() || self.summary.is_some() {
            self.scene = Some(scene());
        }
        self.began = (jiff::Timestamp::now(), Instant::now());
    }

    /// Takes in what happens now.
    pub(super) fn hear(&mut self, event: &Event) {
        if self.scene.is_some() {
            let at = self.began.1.elapsed().as_secs_f64();
            self.history.hear(at, event);
        }
    }

    /// Writes the files; returns why some could not be written.
    pub(super) fn write(&self, summary: &Summary) -> Vec<Failure> {
        let mut failures = Vec::new();
        if let Some(path) = &self.metadata {
            failures.extend(metadata::write(path, summary).err());
        }
        if let Some(path) = &self.outputs {
            failures.extend(step::write_outputs(path, summary).err());
        }
        let Some(scene) = &self.scene else {
            return failures;
        };
        if let Some(Timeline { path, is_page }) = &self.timeline {
            let made = self.began.0.to_string();
            let text = if *is_page {
                scene.file(&self.history, &made)
            } else {
                trace(&self.history, &scene.drawing(), &made)
            };
            failures.extend(output::leave(TIMELINE, path, &text).err());
        }
        if let Some(file) = &self.summary {
            let mut drawing = scene.drawing();
            show_sizes(&mut drawing, summary);
            failures.extend(file.write(&drawing, Some(&self.history)).err());
        }
        failures
    }
}

/// Also of images that were found: older records do not have sizes.
fn show_sizes(drawing: &mut Drawing, summary: &Summary) {
    let images = summary.images.iter();
    let sizes: BTreeMap<&str, u64> = images
        .filter_map(|outcome| Some((outcome.image.as_str(), outcome.artifact.size?)))
        .collect();
    for node in &mut drawing.nodes {
        node.size = sizes.get(node.name.as_str()).copied().or(node.size);
    }
}
