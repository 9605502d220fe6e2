//! The files that `graph build` leaves on request: an entry for each image, and the timeline.
//!
//! Written after every run, also if images failed or the user interrupted it. A regular file is replaced as a whole; anything
//! else (a device, a pipe, `/dev/stdout`) is written to in place. Errors that can be foreseen are reported before anything is
//! built.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::context::Context;
use super::failure::Failure;
use super::{metadata, output};
use crate::run::{Event, History, Summary};
use crate::ui::Scene;
use crate::view::trace;

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
    /// `None` if nothing but metadata is written.
    scene: Option<Scene>,
    history: History,
    /// When the run began, as time of day and as the zero of the history.
    began: (jiff::Timestamp, Instant),
}

impl Files {
    /// Fails if a file could not be written once everything is built.
    pub(super) fn refuse_early(&self, context: &Context) -> Result<(), Failure> {
        let Account {
            metadata, timeline, ..
        } = self.account(context);
        metadata.as_deref().map_or(Ok(()), metadata::refuse_early)?;
        timeline.map_or(Ok(()), |timeline| {
            output::refuse_early(TIMELINE, &timeline.path)
        })
    }

    /// Begins to take account of a run.
    pub(super) fn begin(&self, context: &Context, scene: impl FnOnce() -> Scene) -> Account {
        Account {
            scene: self.timeline.is_some().then(scene),
            ..self.account(context)
        }
    }

    fn account(&self, context: &Context) -> Account {
        let place = |path: &Path| context.folder.join(path);
        Account {
            metadata: self.metadata_file.as_deref().map(place),
            timeline: self.timeline.as_ref().map(|timeline| Timeline {
                path: place(&timeline.path),
                ..*timeline
            }),
            scene: None,
            history: History::default(),
            began: (jiff::Timestamp::now(), Instant::now()),
        }
    }
}

const TIMELINE: &str = "timeline";

impl Account {
    /// Takes in what happens now.
    pub(super) fn hear(&mut self, event: &Event) {
        if self.scene.is_some() {
            self.history
                .hear(self.began.1.elapsed().as_secs_f64(), event);
        }
    }

    /// Writes the files; returns why some could not be written.
    pub(super) fn write(&self, summary: &Summary) -> Vec<Failure> {
        let mut failures = Vec::new();
        if let Some(path) = &self.metadata {
            failures.extend(metadata::write(path, summary).err());
        }
        if let (Some(timeline), Some(scene)) = (&self.timeline, &self.scene) {
            let made = self.began.0.to_string();
            let text = if timeline.is_page {
                scene.file(&self.history, &made)
            } else {
                trace(&self.history, &scene.drawing(), &made)
            };
            failures.extend(output::leave(TIMELINE, &timeline.path, &text).err());
        }
        failures
    }
}
