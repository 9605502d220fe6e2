//! What a history consists of. Times are seconds since the start of the run.

use std::collections::VecDeque;

use serde::Serialize;

/// What a run or a watch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// It builds.
    #[default]
    Building,
    /// A watch waits for changes.
    Waiting,
    /// The user has paused the watch.
    Paused,
    /// It has ended.
    Ended,
}

/// The last state of an image.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Row {
    /// Its state.
    pub state: ImageState,
    /// Since when it has been in this state.
    pub since: f64,
    /// `registry/name:tag`, once it was reported.
    pub reference: Option<String>,
    /// The running step.
    pub step: Option<Step>,
    /// Why it is built, why it failed, or what it waits for.
    pub note: Option<String>,
    /// How long the last build took.
    pub seconds: Option<f64>,
    /// The digest of the last result.
    pub digest: Option<String>,
    /// The file with the whole output of a build that failed, from the workspace root.
    pub log: Option<String>,
    /// The place in the manifest of a step that failed.
    pub place: Option<String>,
    /// The node that builds or built it, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// How many steps were found in the builder's cache.
    pub cached: usize,
    /// The last lines of output of the last build, without control characters and credentials in URLs.
    pub lines: VecDeque<String>,
}

/// The state of an image in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageState {
    /// It has to be built, and has not started.
    #[default]
    Waiting,
    /// A worker builds or pushes it.
    Running,
    /// It needed nothing.
    Fresh,
    /// It was built.
    Built,
    /// It was pushed.
    Pushed,
    /// It failed.
    Failed,
    /// It was not started, because an image that it needs failed.
    Skipped,
    /// It was cancelled.
    Cancelled,
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// Its number, from 1; 0 if steps are not numbered.
    pub number: usize,
    /// The number of steps; 0 if it is unknown.
    pub of: usize,
    /// What it does.
    pub name: String,
}

/// A time in which a worker was busy with an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Span {
    /// The image.
    pub image: String,
    /// The worker, from 0: the lowest number that was free, because workers have no names of their own.
    pub worker: usize,
    /// When it began.
    pub start: f64,
    /// When it ended; `None` if it has not.
    pub end: Option<f64>,
    /// How it ended, or that it runs; `Waiting` if it was stopped because its inputs changed.
    pub state: ImageState,
    /// Why it was built; the first reasons, if there are many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The node on which it ran at last, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// Something that the user should know, and when it was said.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Message {
    /// When.
    pub at: f64,
    /// The text.
    pub text: String,
}
