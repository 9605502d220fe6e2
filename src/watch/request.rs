//! The parameters of a watch.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::elsewhere::Elsewhere;
use crate::manifest::Overrides;
use crate::plan::{Judgement, Plan};
use crate::run::manner::Manner;
use crate::run::state::Rules;
use crate::run::{Event, Options, Summary};
use crate::session::Selection;
use crate::world::View;

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
    /// Where images of the builder `docker` are built.
    pub elsewhere: Elsewhere,
    /// Looks up an environment variable.
    pub env: Env,
    /// The requested images.
    pub selection: Selection,
    /// When to build.
    pub judgement: Judgement,
    /// Never build bases that were not requested themselves.
    pub no_bases: bool,
    /// Refuse to build on outside images that are not pinned by digest, and with packages that were locked for other inputs.
    pub is_locked: bool,
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

/// Who is told what happens in a watch.
pub struct Audience<'r> {
    /// Gets each event.
    pub event: &'r mut dyn FnMut(&Event),
    /// Gets the result of each wave.
    pub wave: &'r mut dyn FnMut(&Summary),
    /// Gets what the images are now, and what is planned, when files or manifests have changed.
    pub view: &'r mut dyn FnMut(&Arc<View>, &Plan),
}

impl Request {
    pub(super) fn rules(&self) -> Rules {
        Rules {
            manner: Manner::Watch,
            options: self.options,
            judgement: self.judgement,
            no_bases: self.no_bases,
        }
    }
}
