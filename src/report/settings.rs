//! Settings of reporters.

use std::sync::Arc;

/// The form of progress output, as selected by `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// [`Progress::Tty`] if stderr is a terminal that can move its cursor, else [`Progress::Plain`].
    #[default]
    Auto,
    /// Live lines for running images and a total; finished images scroll away above.
    Tty,
    /// One line per relevant event, without control characters.
    Plain,
    /// Each event as one line of JSON.
    Json,
}

/// How much is shown, as selected by `-q` and `-v`. JSON output is always complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Failures only.
    Quiet,
    /// What happens to images.
    #[default]
    Normal,
    /// Also all build output, cached steps, full references, and each fresh image.
    Verbose,
}

/// The settings of a reporter.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Settings {
    /// The form of progress.
    pub progress: Progress,
    /// How much to show.
    pub verbosity: Verbosity,
    /// Whether to use colors, as decided by the caller from `--color`, `NO_COLOR` and whether stderr is a terminal.
    pub color: bool,
    /// The duration of the run predicted by the plan, in seconds.
    pub predicted: Option<f64>,
    /// Whether a watch responds to keys.
    pub keys: bool,
    /// The width of the widest name that will appear, in columns, or 0 if unknown; see [`widest`](super::widest).
    pub widest: usize,
}

/// Returns seconds since some fixed moment; replaceable, so that tests can stop time.
pub type Clock = Arc<dyn Fn() -> f64 + Send + Sync>;
