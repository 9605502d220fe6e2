//! What carries out the builds of the `docker` backend: the daemon, or builders elsewhere, whose images may leave through their registries.

use super::Docker;
use crate::asking::Asker;
use crate::backend::daemon::{Daemon, Instance, NoEngine};
use crate::backend::elsewhere::{Builders, Elsewhere};
use crate::backend::{Artifact, BuildError, Job};

/// What carries out the builds.
#[derive(Debug)]
pub(super) enum Way {
    /// The daemon.
    Daemon,
    /// A builder of buildx.
    Instance(Instance),
    /// Nothing that could: the builder that was named is none.
    Nowhere(NoEngine),
}

impl Way {
    /// Finds out what builds, without connecting to anything.
    pub(super) fn find(daemon: &Daemon, elsewhere: &Elsewhere) -> Self {
        let named = match &elsewhere.by {
            Builders::Daemon => return Self::Daemon,
            Builders::Usual => None,
            Builders::Instance { name, by } => Some((name.as_str(), *by)),
            Builders::Pool(_) => unreachable!("BUG: no pool yet"),
        };
        match daemon.instance(named) {
            Ok(None) => Self::Daemon,
            Ok(Some(instance)) => Self::Instance(instance),
            Err(none) => Self::Nowhere(none),
        }
    }
}

impl Docker {
    pub(super) fn way(&self) -> &Way {
        let find = || Way::find(&self.daemon, &self.elsewhere);
        self.way.get_or_init(find)
    }

    /// Whether images go to their registries as they are built, and nowhere else.
    pub(super) fn is_leaving(&self) -> bool {
        self.elsewhere.pushes && !matches!(self.way(), Way::Daemon)
    }

    /// Builds an image; returns its digest where it then is, and its size if that is known.
    pub(super) fn carry_out(
        &self,
        job: &Job<'_>,
        asker: Asker<'_>,
    ) -> Result<(String, Option<u64>), BuildError> {
        match self.way() {
            Way::Daemon => self.daemon.build(job, None, asker),
            Way::Instance(instance) if self.is_leaving() => {
                let called = self.leaving.called(job)?;
                let digest = self
                    .daemon
                    .push_by_instance(instance, job, &called, asker)?;
                self.leaving.confirm(job, &digest, asker)?;
                Ok((digest, None))
            }
            Way::Instance(instance) => self.daemon.load_by_instance(instance, job, asker),
            Way::Nowhere(none) => Err(BuildError::Failed(none.sentence())),
        }
    }

    /// Brings an image that has left into the local store.
    pub(super) fn fetch(&self, image: &Artifact, asker: Asker<'_>) -> Result<(), BuildError> {
        let name = crate::backend::leaving::pinned(image);
        let name = name.ok_or_else(|| {
            let what = &image.reference;
            BuildError::Failed(format!("`{what}` has no digest in its registry"))
        })?;
        self.daemon.fetch(&name, image, asker)
    }
}
