//! The checks that a plan must pass before it is executed, shared by the command line and the library.
//!
//! An error names the obstacle, not the flag that removes it. Checks that need no query come first, so that a request
//! that cannot be met is refused before any daemon or registry is queried.

use std::collections::BTreeSet;
use std::io;

use super::{Floating, Planned, Session};
use crate::asking::Asker;
use crate::graph::ImageId;
use crate::plan::{self, Doubt, Judgement, Plan};
use crate::run::Push;
use crate::workspace::LOCK_FILE;

/// What a caller requests for a set of images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// When to build.
    pub judgement: Judgement,
    /// Which images have to be in their registries.
    pub push: Push,
    /// Refuse to build bases that were not requested themselves.
    pub without_bases: bool,
    /// Refuse to build on outside images that are not pinned by digest, and with packages that were locked for other inputs.
    pub is_locked: bool,
}

/// Why a plan cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// A push is requested, and none of the requested images has a registry.
    #[error("none of the images has a registry to push to")]
    NoRegistry,
    /// The state directory cannot be used.
    #[error("{why}")]
    State {
        /// Why.
        why: String,
        /// How to fix it.
        mend: String,
    },
    /// Images whose existence could not be determined, by cause.
    #[error("{}", .0.iter().map(Doubt::to_string).collect::<Vec<_>>().join("; "))]
    Unknown(Vec<Doubt>),
    /// Outside images and packages that are not pinned by digest.
    #[error("`{LOCK_FILE}` does not pin {0}")]
    Unlocked(Floating),
    /// Ids of the bases that would have to be built, and must not be.
    #[error("these bases are not fresh: {}", .0.join(", "))]
    Bases(Vec<String>),
    /// A required backend cannot build on this machine.
    #[error("{why}")]
    Backend {
        /// The backend and the reason.
        why: String,
        /// How to fix it.
        mend: String,
    },
    /// Outside images that do not exist for the platforms of the images built on them, one line each.
    #[error("{}", .0.join("\n"))]
    Foreign(Vec<String>),
    /// Secrets that are not available, one line each.
    #[error("{}", .0.join("\n"))]
    Secrets(Vec<String>),
}

impl Obstacle {
    pub(super) fn state(error: &io::Error) -> Self {
        let (why, mend) = super::state_trouble(error);
        Self::State { why, mend }
    }
}

impl Session {
    /// Plans the requested images and returns the first obstacle, if any. Does not check whether backends and secrets
    /// are available: see [`Self::ready`].
    pub fn prepare(
        &self,
        asked: &BTreeSet<ImageId>,
        wish: Wish,
        by: Asker<'_>,
    ) -> Result<Planned, Obstacle> {
        let spec = |id: ImageId| self.world.spec(id);
        let is_wanted = matches!(wish.push, Push::Each | Push::AllOrNothing);
        let has_registry = asked.iter().any(|id| spec(*id).registry.is_some());
        if is_wanted && !asked.is_empty() && !has_registry {
            return Err(Obstacle::NoRegistry);
        }
        if wish.is_locked {
            self.verify_locked(asked)?;
        }
        let verified = self.store.verify();
        verified.map_err(|error| Obstacle::state(&error))?;
        let planned = self.plan(asked, wish.judgement, wish.push, by);
        let is_fatal = |id: ImageId| wish.judgement.refuses_unknown(spec(id));
        let fatal = plan::unknown(&self.world.graph, &planned.plan, is_fatal);
        if !fatal.is_empty() {
            return Err(Obstacle::Unknown(fatal));
        }
        let unasked: Vec<String> = planned
            .plan
            .builds()
            .filter(|image| !image.asked)
            .map(|image| self.world.graph.name(image.id).to_owned())
            .collect();
        if wish.without_bases && !unasked.is_empty() {
            return Err(Obstacle::Bases(unasked));
        }
        Ok(planned)
    }

    /// Refuses images that depend on outside images or packages that are not pinned.
    pub fn verify_locked(&self, asked: &BTreeSet<ImageId>) -> Result<(), Obstacle> {
        let floating = self.floating(&self.world.graph.with_bases(asked));
        if floating.is_empty() {
            Ok(())
        } else {
            Err(Obstacle::Unlocked(floating))
        }
    }

    /// Checks that the backends and secrets that a plan needs are available, and that bases exist for the platforms of
    /// what is built. Returns the first obstacle.
    pub fn ready(&self, plan: &Plan, asker: Asker<'_>) -> Result<(), Obstacle> {
        if let Some((why, mend)) = self.missing_backends(plan, asker).into_iter().next() {
            return Err(Obstacle::Backend { why, mend });
        }
        let foreign = self.foreign_bases(plan, asker);
        if !foreign.is_empty() {
            return Err(Obstacle::Foreign(foreign));
        }
        let missing = self.missing_secrets(plan);
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Obstacle::Secrets(missing))
        }
    }
}
