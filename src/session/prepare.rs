//! What a plan must pass before it is carried out: the same for the program and for whoever uses the library.
//!
//! Says what stands in the way, not which flag would move it. What needs no question is asked first, so a
//! wish that cannot be met is refused before anyone looks for images.

use std::collections::BTreeSet;

use super::{Floating, Planned, Session};
use crate::asking::Asker;
use crate::graph::ImageId;
use crate::plan::{self, Doubt, Judgement, Plan, WhenUnknown};
use crate::run::Push;
use crate::workspace::LOCK_FILE;

/// What is wanted of images.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    /// How to judge them.
    pub judgement: Judgement,
    /// Which are to be in their registries.
    pub push: Push,
    /// Whether bases must not be built.
    pub without_bases: bool,
    /// Whether nothing is built on an outside image that no digest holds.
    pub is_locked: bool,
    /// Whether nothing is built when nobody can say of an image that flytekit names whether it exists.
    pub is_flytekit_known: bool,
}

/// What stands in the way of a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// A push is wanted, and no image that was asked for has a registry.
    #[error("none of the images has a registry to push to")]
    NoRegistry,
    /// The state directory cannot be used.
    #[error("{why}")]
    State {
        /// Why, in words.
        why: String,
        /// What to do.
        mend: String,
    },
    /// Nobody can say whether these images exist, and why not.
    #[error("{}", .0.iter().map(Doubt::to_string).collect::<Vec<_>>().join("; "))]
    Unknown(Vec<Doubt>),
    /// Outside images that no digest holds.
    #[error("`{LOCK_FILE}` does not say what these are: {0}")]
    Unlocked(Floating),
    /// Bases that would have to be built, and must not be.
    #[error("these bases are not fresh: {}", .0.join(", "))]
    Bases(Vec<String>),
    /// A backend that is needed cannot build here.
    #[error("{why}")]
    Backend {
        /// Which and why, in words.
        why: String,
        /// What to do.
        mend: String,
    },
    /// Outside images that are not for the platforms that images built on them are for, in words.
    #[error("{}", .0.join("\n"))]
    Foreign(Vec<String>),
    /// Secrets that cannot be had, in words.
    #[error("{}", .0.join("\n"))]
    Secrets(Vec<String>),
}

impl Session {
    /// Plans, and refuses what cannot be wanted of these images: the error is the first obstacle. Whether the builders are there and
    /// the secrets can be had is not asked: see [`Self::ready`].
    pub fn prepare(
        &self,
        asked: &BTreeSet<ImageId>,
        wish: Wish,
        by: Asker<'_>,
    ) -> Result<Planned, Obstacle> {
        let spec = |id: ImageId| self.world.spec(id);
        let is_wanted = matches!(wish.push, Push::Each | Push::AllOrNothing);
        if is_wanted && !asked.iter().any(|id| spec(*id).registry.is_some()) {
            return Err(Obstacle::NoRegistry);
        }
        if wish.is_locked {
            let floating = self.floating(&self.world.graph.with_bases(asked));
            if floating.count() > 0 {
                return Err(Obstacle::Unlocked(floating));
            }
        }
        self.store.verify().map_err(|error| {
            let (why, mend) = super::state_trouble(&error);
            Obstacle::State { why, mend }
        })?;
        let planned = self.plan(asked, wish.judgement, wish.push, by);
        let is_fatal = |id: ImageId| {
            wish.judgement.when_unknown == WhenUnknown::Fail
                || (wish.is_flytekit_known && spec(id).flytekit.is_some())
        };
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

    /// Looks for the builders and the secrets that a plan needs, and whether bases are for the platforms of what is built; the error
    /// is the first obstacle.
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
