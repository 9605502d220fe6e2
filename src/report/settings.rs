//! How events are shown.

use std::sync::Arc;

/// The form of progress, as `--progress` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// [`Progress::Tty`] when stderr is a terminal that can move its cursor, else [`Progress::Plain`].
    #[default]
    Auto,
    /// Live lines for running images and a total; finished images scroll away above.
    Tty,
    /// One line for each event that matters, without control characters.
    Plain,
    /// Each event as one line of JSON.
    Json,
}

/// How much is shown, as `-q` and `-v` say. JSON always has everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Failures only.
    Quiet,
    /// What happens to images.
    #[default]
    Normal,
    /// Also all output of builds, cached steps, full references, and each fresh image.
    Verbose,
}

/// The settings of a reporter.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Settings {
    /// The form of progress.
    pub progress: Progress,
    /// How much is shown.
    pub verbosity: Verbosity,
    /// Whether to use colours; the caller knows `--color`, `NO_COLOR` and whether stderr is a terminal.
    pub color: bool,
    /// How many seconds the plan expects the run to take.
    pub predicted: Option<f64>,
    /// Whether the keys of a watch work.
    pub keys: bool,
    /// The columns of the widest name that will appear, where known; see [`widest`](super::widest).
    pub widest: usize,
}

/// Seconds since any fixed moment; replaceable so that tests can stop time.
pub type Clock = Arc<dyn Fn() -> f64 + Send + Sync>;
