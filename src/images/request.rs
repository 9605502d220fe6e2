//! What is wanted of images: which, and how.
//!
//! Plain data, made in a chain. What a request does not say is what `imgspec graph build` does without flags.

use crate::plan::{Judgement, WhenUnknown};
use crate::run::{Options, Push};

/// Which images are to be built, and how.
///
/// ```
/// use imgspec::{Request, run::Push};
///
/// let request = Request::of(["train", "serve..."]).force().push(Push::Each).jobs(4);
/// # let _ = request;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Request {
    /// None asks for all.
    pub(super) images: Option<Vec<String>>,
    pub(super) judgement: Judgement,
    pub(super) options: Options,
    pub(super) without_bases: bool,
    pub(super) is_locked: bool,
}

impl Request {
    /// All images.
    pub fn all() -> Self {
        Self::default()
    }

    /// The images that these words name, with the bases that they need: ids, globs, `base...` (and all built on it),
    /// `...train` (and its bases), `!x` (not x). No words ask for nothing.
    pub fn of<T: Into<String>>(images: impl IntoIterator<Item = T>) -> Self {
        Self {
            images: Some(images.into_iter().map(Into::into).collect()),
            ..Self::default()
        }
    }

    /// Builds what was asked for even if it is fresh.
    pub fn force(mut self) -> Self {
        self.judgement.force = true;
        self
    }

    /// Says what to do when nobody can say whether an image exists.
    pub fn when_unknown(mut self, what: WhenUnknown) -> Self {
        self.judgement.when_unknown = what;
        self
    }

    /// Builds no bases: they must be fresh.
    pub fn without_bases(mut self) -> Self {
        self.without_bases = true;
        self
    }

    /// Builds nothing on an image of a registry that neither the lock file nor a digest holds.
    pub fn locked(mut self) -> Self {
        self.is_locked = true;
        self
    }

    /// Pushes results to their registries.
    pub fn push(mut self, when: Push) -> Self {
        self.options.push = when;
        self
    }

    /// Builds at most this many images at once, at least one.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.options.jobs = jobs.max(1);
        self
    }

    /// Stops everything at the first failure.
    pub fn fail_fast(mut self) -> Self {
        self.options.fail_fast = true;
        self
    }

    /// Tries an image this often in all, at least once, when its failures are passing ones.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.options.attempts = attempts.max(1);
        self
    }
}
