//! What happens in a run, one value a happening: the only way anything reaches a screen.
//!
//! Events carry names and plain values, and their JSON (`--progress json`, see docs/json.md) is derived from the very type, one
//! object a line.

use std::sync::Arc;

use serde::Serialize;

use crate::asking::Waiting;
use crate::diagnostic::{Diagnostic, Sources};

/// One thing that happened in a run. In all of them `image` is an image's id, `reference` what it is called, `seconds` how long it
/// took, `line` a line of output without its end, and `hook` either `on-success` or `on-failure`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
#[allow(missing_docs, reason = "what is called the same means the same")]
pub enum Event {
    /// The plan is made and work begins.
    RunStarted {
        /// Images that will be built (or only pushed).
        build: usize,
        /// Images that need nothing.
        fresh: usize,
        /// How many may be built at once.
        jobs: usize,
    },
    /// An image needs nothing.
    ImageFresh { image: String, reference: String },
    /// A worker took an image up.
    ImageStarted {
        image: String,
        reference: String,
        /// Who builds it.
        backend: String,
        /// Why, in words.
        reasons: Vec<String>,
    },
    /// The backend began a step of an image.
    ImageStep {
        image: String,
        /// Which step, from 1; 0 when the backend does not count.
        step: usize,
        /// How many steps; 0 when unknown.
        of: usize,
        /// The step in words.
        name: String,
    },
    /// A step was found in the backend's cache.
    ImageCached {
        image: String,
        /// The step in words.
        name: String,
    },
    /// A line of output of an image's build.
    ImageLog { image: String, line: String },
    /// A passing failure: the image is tried again.
    ImageRetry {
        image: String,
        /// The coming attempt, from 2.
        attempt: u32,
        /// How many attempts there are at most.
        of: u32,
        /// Milliseconds until then.
        wait_ms: u64,
        /// What failed.
        why: String,
    },
    /// An image is built, tagged and recorded.
    ImageBuilt {
        image: String,
        reference: String,
        /// What the backend calls the result: an image id or a manifest digest.
        digest: String,
        /// Who built it.
        backend: String,
        seconds: f64,
    },
    /// An image is in its registry.
    ImagePushed {
        image: String,
        reference: String,
        seconds: f64,
    },
    /// An image could not be built or pushed.
    ImageFailed {
        image: String,
        /// Why, in words.
        error: String,
        /// What of the manifest asked for the step that failed, as `imgspec.kdl:3:5`, where that is known.
        place: Option<String>,
        /// The log's path, relative to the workspace root, if there is one.
        log: Option<String>,
        /// The last lines of the log.
        tail: Vec<String>,
        seconds: f64,
    },
    /// An image was never started because something that it needs failed.
    ImageSkipped {
        image: String,
        /// The images whose failure is the cause.
        because: Vec<String>,
    },
    /// An image's build was stopped by an interrupt or by `--fail-fast`.
    ImageCancelled { image: String },
    /// Something that the user should know.
    Warning {
        /// What.
        message: String,
    },
    /// Something outside has not answered for a second, and is waited for.
    Waiting {
        /// Whose answer it is, in words.
        #[serde(rename = "for")]
        whom: String,
        /// How many seconds it is waited for at most.
        seconds: f64,
    },
    /// Nothing is left to do.
    RunFinished {
        /// Images built.
        built: usize,
        /// Images pushed.
        pushed: usize,
        /// Images that needed nothing.
        fresh: usize,
        /// Ids of the images that failed.
        failed: Vec<String>,
        /// Ids of the images that were skipped because of them.
        skipped: Vec<String>,
        /// Ids of the images that were stopped, or never started because of the interrupt.
        cancelled: Vec<String>,
        seconds: f64,
    },
    /// `imgspec watch` looks after files from now on, or after others than before.
    WatchStarted {
        /// How many images it keeps built.
        images: usize,
        /// How many directories it watches.
        folders: usize,
        /// How many files these images are made of.
        files: usize,
        /// The seconds between two looks, when the file system tells of no changes.
        poll: Option<f64>,
    },
    /// Files changed, and with them images: the beginning of a wave, or more work in one that goes on.
    FilesChanged {
        /// The files, from the workspace root; the first ones when they are many.
        files: Vec<String>,
        /// How many files.
        count: usize,
        /// Ids of the images that they woke, with those built on them.
        images: Vec<String>,
        /// How many images the wave builds in all, as far as known now.
        build: usize,
    },
    /// The manifests were read anew, and there are other images than before.
    GraphChanged {
        /// How many images there are now.
        images: usize,
        /// Ids of new images.
        added: Vec<String>,
        /// Ids of images that are gone.
        removed: Vec<String>,
    },
    /// The manifests are wrong: the last good ones go on to count.
    ManifestsBroken {
        /// What is wrong, as `check --format json` says it.
        mistakes: serde_json::Value,
        /// The same for people.
        #[serde(skip)]
        shown: Arc<(Vec<Diagnostic>, Sources)>,
    },
    /// The manifests are right again.
    ManifestsMended,
    /// A running build is stopped because its inputs changed; it starts again with the new ones.
    ImageSuperseded { image: String },
    /// An image cannot be built until others are.
    ImageWaiting {
        image: String,
        /// The images that it waits for.
        because: Vec<String>,
    },
    /// A look at changed files is put off.
    WatchHeld {
        /// Why.
        why: String,
    },
    /// Nothing is left to do until something changes.
    WatchWaiting {
        /// Ids of the images that failed and wait for a change that can mend them.
        failed: Vec<String>,
        /// Ids of the images that wait for others.
        waiting: Vec<String>,
    },
    /// The user paused it or let it go on.
    WatchPaused {
        /// Whether it is paused now.
        paused: bool,
    },
    /// A command of `--on-success` or `--on-failure` was started.
    HookStarted { hook: String },
    /// A line that it printed.
    HookLog { hook: String, line: String },
    /// It ended.
    HookEnded {
        hook: String,
        /// How, in words; none when it succeeded.
        error: Option<String>,
        seconds: f64,
    },
    /// The watch is over.
    WatchEnded {
        /// How many waves there were.
        waves: usize,
    },
}

impl From<&Waiting> for Event {
    fn from(waiting: &Waiting) -> Self {
        Self::Waiting {
            whom: waiting.whom.clone(),
            seconds: waiting.limit.as_secs_f64(),
        }
    }
}
