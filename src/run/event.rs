//! The events of a run: the only way anything reaches the terminal.
//!
//! Events carry names and plain values. Their JSON (`--progress json`, see docs/json.md), one object per line, is
//! derived from this type.

use std::sync::Arc;

use serde::Serialize;

use crate::asking::Waiting;
use crate::diagnostic::{Diagnostic, Sources};

/// One event of a run. In all variants `image` is an image id, `reference` its full reference, `seconds` a duration,
/// `line` one line of output without its line end, and `hook` either `on-success` or `on-failure`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
#[allow(missing_docs, reason = "common fields are described above")]
pub enum Event {
    /// The plan is made, and work starts.
    RunStarted {
        /// Number of images to build or push.
        build: usize,
        /// Number of images that need nothing.
        fresh: usize,
        /// Maximum number of concurrent builds.
        jobs: usize,
    },
    /// An image needs nothing.
    ImageFresh { image: String, reference: String },
    /// A worker started on an image.
    ImageStarted {
        image: String,
        reference: String,
        /// Name of the backend.
        backend: String,
        /// Why it is built, for people.
        reasons: Vec<String>,
    },
    /// A node of several builds an image from now on.
    ImagePlaced {
        image: String,
        /// Address of the node.
        node: String,
    },
    /// The backend began a step of an image.
    ImageStep {
        image: String,
        /// Number of the step, from 1; 0 if the backend does not number steps.
        step: usize,
        /// Number of steps; 0 if unknown.
        of: usize,
        /// Description of the step.
        name: String,
    },
    /// A step was found in the backend's cache.
    ImageCached {
        image: String,
        /// Description of the step.
        name: String,
    },
    /// A line of output of an image's build.
    ImageLog { image: String, line: String },
    /// A transient failure: the image will be tried again.
    ImageRetry {
        image: String,
        /// Number of the next attempt, from 2.
        attempt: u32,
        /// Maximum number of attempts.
        of: u32,
        /// Delay until the next attempt, in milliseconds.
        wait_ms: u64,
        /// The error.
        why: String,
    },
    /// An image is built, tagged and recorded.
    ImageBuilt {
        image: String,
        reference: String,
        /// The backend's digest of the result: an image id or a manifest digest.
        digest: String,
        /// Name of the backend.
        backend: String,
        seconds: f64,
    },
    /// An image was pushed to its registry.
    ImagePushed {
        image: String,
        reference: String,
        seconds: f64,
    },
    /// An image has its further names: in the local store or, if it is pushed, in its registry.
    ImageTagged {
        image: String,
        /// The names, as references.
        names: Vec<String>,
        /// How long that took; `None` as part of a build or push.
        #[serde(skip_serializing_if = "Option::is_none")]
        seconds: Option<f64>,
    },
    /// An image was brought from its registry.
    ImagePulled {
        image: String,
        reference: String,
        seconds: f64,
    },
    /// A build, push or pull failed.
    ImageFailed {
        image: String,
        /// The error message.
        error: String,
        /// Source location of the manifest field behind the failed step, as `imgspec.kdl:3:5`, if known.
        place: Option<String>,
        /// Path of the log relative to the workspace root, if there is one.
        log: Option<String>,
        /// The last lines of the log.
        tail: Vec<String>,
        seconds: f64,
    },
    /// An image was not started because an image it depends on failed.
    ImageSkipped {
        image: String,
        /// Ids of the images whose failure is the cause.
        because: Vec<String>,
    },
    /// A build was cancelled by an interrupt or by `--fail-fast`.
    ImageCancelled { image: String },
    /// Something that the user should know.
    Warning {
        /// The warning text.
        message: String,
    },
    /// An outside service has not answered for a second; imgspec keeps waiting.
    Waiting {
        /// What is waited for, for example a registry.
        #[serde(rename = "for")]
        whom: String,
        /// The timeout, in seconds.
        seconds: f64,
    },
    /// A page shows what happens; whoever has its address sees it.
    PageServed {
        /// The address, on the loopback interface.
        url: String,
    },
    /// Nothing is left to do.
    RunFinished {
        /// Number of images built.
        built: usize,
        /// Number of images pushed.
        pushed: usize,
        /// Number of images that needed nothing.
        fresh: usize,
        /// Ids of the images that failed.
        failed: Vec<String>,
        /// Ids of the images that were skipped because of them.
        skipped: Vec<String>,
        /// Ids of the images that were cancelled, or not started because of the interrupt.
        cancelled: Vec<String>,
        seconds: f64,
    },
    /// `imgspec watch` now watches files, or other files than before.
    WatchStarted {
        /// Number of images that are kept up to date.
        images: usize,
        /// Number of watched directories.
        folders: usize,
        /// Number of files that these images are made from.
        files: usize,
        /// Polling interval in seconds, if the file system does not report changes.
        poll: Option<f64>,
    },
    /// Files changed, and images with them: a wave starts, or the current one grows.
    FilesChanged {
        /// Paths relative to the workspace root; only the first ones if there are many.
        files: Vec<String>,
        /// Total number of changed files.
        count: usize,
        /// Ids of the affected images, including dependents.
        images: Vec<String>,
        /// Total number of images the wave builds, as far as known.
        build: usize,
    },
    /// The manifests were reloaded and declare different images.
    GraphChanged {
        /// New number of images.
        images: usize,
        /// Ids of added images.
        added: Vec<String>,
        /// Ids of removed images.
        removed: Vec<String>,
    },
    /// The manifests have errors; the last good version stays in effect.
    ManifestsBroken {
        /// The errors, in the format of `check --format json`.
        mistakes: serde_json::Value,
        /// The errors with their sources, for display.
        #[serde(skip)]
        shown: Arc<(Vec<Diagnostic>, Sources)>,
    },
    /// The manifests are valid again.
    ManifestsMended,
    /// A running build is cancelled because its inputs changed; it will start again with the new ones.
    ImageSuperseded { image: String },
    /// An image waits for others to be built.
    ImageWaiting {
        image: String,
        /// Ids of the images it waits for.
        because: Vec<String>,
    },
    /// Reading changed files is postponed.
    WatchHeld {
        /// The reason.
        why: String,
    },
    /// Nothing is left to do until something changes.
    WatchWaiting {
        /// Ids of the images that failed and wait for a change that may fix them.
        failed: Vec<String>,
        /// Ids of the images that wait for others.
        waiting: Vec<String>,
    },
    /// The user paused or resumed the watch.
    WatchPaused {
        /// Whether the watch is now paused.
        paused: bool,
    },
    /// A command of `--on-success` or `--on-failure` was started.
    HookStarted { hook: String },
    /// The hook printed a line.
    HookLog { hook: String, line: String },
    /// The hook ended.
    HookEnded {
        hook: String,
        /// How it failed; `None` if it succeeded.
        error: Option<String>,
        seconds: f64,
    },
    /// The watch ended.
    WatchEnded {
        /// Number of waves.
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
