//! The flags that `graph build`, `graph plan` and `watch` share: which images are built, and how.

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use super::context::Context;
use super::elsewhere::ElsewhereArgs;
use super::failure::Failure;
use super::notifier::Notifier;
use super::variables;
use crate::backend::elsewhere::{Builders, Elsewhere};
use crate::graph::ImageId;
use crate::plan::{Judgement, WhenUnknown};
use crate::report::words::{NAMED, first};
use crate::run::{Options, Push};
use crate::session::{Planned, Session, Standby, Wish};

/// How images are built; shared with `watch`.
#[derive(Args)]
pub(super) struct How {
    /// Build at most this many images at once [default: twice the number of processors, at least 8]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Stop everything at the first failure
    #[arg(long)]
    fail_fast: bool,
    /// Try an image up to this many times when failures are transient (network, registry, daemon)
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
}

impl How {
    pub(super) fn options(&self, choice: &Choice) -> Options {
        Options {
            jobs: self.jobs.map_or(Options::default().jobs, usize::from),
            fail_fast: self.fail_fast,
            push: choice.push(),
            attempts: self.attempts,
            claim: false,
        }
    }
}

/// Which images are built; shared with `graph plan`, which must come to the same decisions.
#[derive(Args, Clone, PartialEq, Eq, Default)]
pub(super) struct Choice {
    /// The builder for images that name none: docker, envd, oci, fake
    #[arg(long, value_name = "BUILDER")]
    pub(super) builder: Option<String>,
    /// Build the selected images even if they are fresh
    #[arg(long)]
    pub(super) force: bool,
    /// Do not build bases; they must be fresh
    #[arg(long)]
    pub(super) no_bases: bool,
    /// Push images to their registries: each as soon as it is built, or all once all are built
    #[arg(long, value_name = "HOW", num_args = 0..=1, default_missing_value = "each", require_equals = true)]
    push: Option<PushHow>,
    /// Build only if every outside image is pinned, in `imgspec.lock` or by a digest in the manifest
    #[arg(long)]
    pub(super) locked: bool,
    /// What to do when it cannot be determined whether an image exists
    #[arg(long, value_name = "WHAT")]
    when_unknown: Option<Unknown>,
    #[command(flatten)]
    elsewhere: ElsewhereArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PushHow {
    Each,
    AllOrNothing,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unknown {
    Build,
    Fail,
    Assume,
}

impl Choice {
    /// Whether no flag was given.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The effective push mode; flytekit's environment variables stand in for flags that are absent.
    pub(super) fn push(&self) -> Push {
        match self.push {
            None if variables::pushes() => Push::Flytekit,
            None => Push::No,
            Some(PushHow::Each) => Push::Each,
            Some(PushHow::AllOrNothing) => Push::AllOrNothing,
        }
    }

    /// Where images of the builder `docker` are built. Those of a pool are nowhere but in their registries.
    pub(super) fn elsewhere(&self, context: &Context) -> Result<Elsewhere, Failure> {
        let by = self.elsewhere.builders(context)?;
        let pushes = self.push() == Push::Each;
        if matches!(by, Builders::Pool(_)) && !pushes {
            let (message, help) = match self.push() {
                Push::AllOrNothing => (
                    "a BuildKit that is spoken to directly pushes each image as soon as it is built, not all of them at the end",
                    "use `--push`",
                ),
                _ => (
                    "images that are built by a BuildKit that is spoken to directly go to their registries, and nowhere else",
                    "add `--push`",
                ),
            };
            return Err(Failure::usage(message, help));
        }
        Ok(Elsewhere { by, pushes })
    }

    pub(super) fn judgement(&self) -> Judgement {
        let when_unknown = match self.when_unknown {
            None | Some(Unknown::Build) => WhenUnknown::Build,
            Some(Unknown::Fail) => WhenUnknown::Fail,
            Some(Unknown::Assume) => WhenUnknown::Assume,
        };
        Judgement {
            force: self.force,
            force_flytekit: variables::forces(),
            when_unknown,
            is_flytekit_known: self.when_unknown.is_none() && variables::fails_fast(),
        }
    }

    /// Plans the run, or fails if the flags rule the plan out.
    pub(super) fn plan(
        &self,
        session: &Session,
        asked: &BTreeSet<ImageId>,
        notifier: &Notifier,
    ) -> Result<Planned, Failure> {
        let wish = Wish {
            judgement: self.judgement(),
            push: self.push(),
            without_bases: self.no_bases,
            is_locked: self.locked,
        };
        Ok(session.prepare(asked, wish, notifier.asker())?)
    }

    /// Warns of images that another builder than the default builds, of images whose existence is unknown, with the
    /// consequence, and of forced builds that may produce a different image.
    pub(super) fn tell_doubts(&self, session: &Session, planned: &Planned, notifier: &Notifier) {
        let standby = session.standby(&planned.plan, self.builder.as_deref());
        if let Some(Standby {
            default,
            other,
            images,
        }) = standby
        {
            let images: Vec<String> = images.iter().map(|id| format!("`{id}`")).collect();
            let images = first(&images, NAMED);
            notifier.warn(format!(
                "`{default}` does not answer, so `{other}` builds {images}; `imgspec doctor` says why"
            ));
        }
        for doubt in planned.doubts(session, self.judgement()) {
            notifier.warn(doubt);
        }
        if let Some(forced) = planned.forced(session) {
            notifier.warn(forced);
        }
    }
}
