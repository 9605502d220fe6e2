//! Which images to build, and how.
//!
//! Plain data, made by chaining methods. The defaults are those of `imgspec graph build` without flags.

use crate::plan::{Judgement, WhenUnknown};
use crate::run::{Options, Push};

/// Which images to build, and how.
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
    /// `None` for all images.
    pub(super) images: Option<Vec<String>>,
    pub(super) judgement: Judgement,
    pub(super) options: Options,
    pub(super) without_bases: bool,
    pub(super) is_locked: bool,
}

impl Request {
    /// Requests all images.
    pub fn all() -> Self {
        Self::default()
    }

    /// Requests the images that the selectors match, along with the bases that they need: ids, globs, `base+` (and
    /// everything built on it), `+train` (and its bases), `!x` (not x). Without selectors, nothing is requested.
    pub fn of<T: Into<String>>(images: impl IntoIterator<Item = T>) -> Self {
        Self {
            images: Some(images.into_iter().map(Into::into).collect()),
            ..Self::default()
        }
    }

    /// Builds the requested images even if they are fresh.
    pub fn force(mut self) -> Self {
        self.judgement.force = true;
        self
    }

    /// Sets what to do about an image whose existence cannot be determined.
    pub fn when_unknown(mut self, what: WhenUnknown) -> Self {
        self.judgement.when_unknown = what;
        self
    }

    /// Does not build bases, which must be fresh.
    pub fn without_bases(mut self) -> Self {
        self.without_bases = true;
        self
    }

    /// Refuses to build on registry images that are pinned neither by the lock file nor by digest.
    pub fn locked(mut self) -> Self {
        self.is_locked = true;
        self
    }

    /// Pushes the results to their registries.
    pub fn push(mut self, when: Push) -> Self {
        self.options.push = when;
        self
    }

    /// Limits the number of images built at the same time; at least 1.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.options.jobs = jobs.max(1);
        self
    }

    /// Stops everything at the first failure.
    pub fn fail_fast(mut self) -> Self {
        self.options.fail_fast = true;
        self
    }

    /// Sets the total number of attempts to build an image whose failures are transient; at least 1.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.options.attempts = attempts.max(1);
        self
    }
}
