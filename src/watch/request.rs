//! The parameters of a watch.

use std::path::PathBuf;
use std::time::Duration;

use crate::manifest::Overrides;
use crate::plan::Judgement;
use crate::run::Options;
use crate::run::manner::Manner;
use crate::run::state::Rules;
use crate::session::Selection;

/// Default time without changes before a look.
pub const QUIET: Duration = Duration::from_millis(80);

/// Looks up an environment variable; callable from any thread.
pub type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The parameters of a watch.
pub struct Request {
    /// Path of the root manifest.
    pub manifest: PathBuf,
    /// The values of `--var` and `--set`.
    pub overrides: Overrides,
    /// Backend for images that name none; `None` picks the one with the highest priority.
    pub builder: Option<String>,
    /// Looks up an environment variable.
    pub env: Env,
    /// The requested images.
    pub selection: Selection,
    /// When to build.
    pub judgement: Judgement,
    /// Never build bases that were not requested themselves.
    pub no_bases: bool,
    /// How to build: concurrency, retries, pushes.
    pub options: Options,
    /// Time without changes before a look.
    pub quiet: Duration,
    /// Polling interval; `None` uses events if available.
    pub poll: Option<Duration>,
    /// Shell command to run after each successful wave.
    pub on_success: Option<String>,
    /// Shell command to run after each wave with failures.
    pub on_failure: Option<String>,
    /// Whether to read keys from the terminal.
    pub keys: bool,
}

impl Request {
    pub(super) fn rules(&self) -> Rules {
        Rules {
            manner: Manner::Watch,
            options: self.options,
            when_unknown: self.judgement.when_unknown,
            no_bases: self.no_bases,
        }
    }
}
