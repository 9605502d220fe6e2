//! What to watch, and how.

use std::path::PathBuf;
use std::time::Duration;

use crate::manifest::Overrides;
use crate::plan::Judgement;
use crate::run::Options;
use crate::run::manner::Manner;
use crate::run::state::Rules;
use crate::session::Selection;

/// How long it must have been silent before what changed is looked at, unless the user says.
pub const QUIET: Duration = Duration::from_millis(80);

/// Reads a variable of the environment, on any thread.
pub type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What to watch, and how.
pub struct Request {
    /// The root manifest.
    pub manifest: PathBuf,
    /// `--var` and `--set`.
    pub overrides: Overrides,
    /// The backend for images that name none; none takes the best that is there.
    pub builder: Option<String>,
    /// Reads a variable of the environment.
    pub env: Env,
    /// The images that were asked for.
    pub selection: Selection,
    /// How to judge.
    pub judgement: Judgement,
    /// Whether bases that were not asked for are never built.
    pub no_bases: bool,
    /// How to run.
    pub options: Options,
    /// How long it must have been silent before what changed is looked at.
    pub quiet: Duration,
    /// Whether to look from time to time instead of hearing events, and how often.
    pub poll: Option<Duration>,
    /// A shell command for the end of each wave that went well.
    pub on_success: Option<String>,
    /// A shell command for the end of each wave in which something failed.
    pub on_failure: Option<String>,
    /// Whether to hear keys from the terminal.
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
