//! What happens in a run, one value a happening: the only way anything reaches a screen.
//!
//! Knows nothing of screens. The choice made: events carry names and plain values, and their JSON (`--progress json`, see
//! docs/json.md) is derived from the very type, one object a line.

use serde::Serialize;

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
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
    ImageFresh {
        /// The image's id.
        image: String,
        /// Its reference.
        reference: String,
    },
    /// A worker took an image up.
    ImageStarted {
        /// The image's id.
        image: String,
        /// Its reference.
        reference: String,
        /// Who builds it.
        backend: String,
        /// Why, in words.
        reasons: Vec<String>,
    },
    /// The backend began a step of an image.
    ImageStep {
        /// The image's id.
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
        /// The image's id.
        image: String,
        /// The step in words.
        name: String,
    },
    /// A line of output of an image's build.
    ImageLog {
        /// The image's id.
        image: String,
        /// The line, without its end.
        line: String,
    },
    /// A passing failure: the image is tried again.
    ImageRetry {
        /// The image's id.
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
        /// The image's id.
        image: String,
        /// Its reference.
        reference: String,
        /// What the backend calls the result: an image id or a manifest digest.
        digest: String,
        /// Who built it.
        backend: String,
        /// How long it took.
        seconds: f64,
    },
    /// An image is in its registry.
    ImagePushed {
        /// The image's id.
        image: String,
        /// Its reference.
        reference: String,
        /// How long it took.
        seconds: f64,
    },
    /// An image could not be built or pushed.
    ImageFailed {
        /// The image's id.
        image: String,
        /// Why, in words.
        error: String,
        /// The log's path, relative to the workspace root, if there is one.
        log: Option<String>,
        /// The last lines of the log.
        tail: Vec<String>,
        /// How long it took.
        seconds: f64,
    },
    /// An image was never started because something that it needs failed.
    ImageSkipped {
        /// The image's id.
        image: String,
        /// The images whose failure is the cause.
        because: Vec<String>,
    },
    /// An image's build was stopped by an interrupt or by `--fail-fast`.
    ImageCancelled {
        /// The image's id.
        image: String,
    },
    /// Something that the user should know.
    Warning {
        /// What.
        message: String,
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
        /// How long it took.
        seconds: f64,
    },
}
