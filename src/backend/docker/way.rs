//! What carries out the builds of the `docker` backend: the daemon, or builders elsewhere, whose images may leave through their registries.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::asking::Asker;
use crate::backend::buildkit::pool::Pool;
use crate::backend::buildkit::request::Request;
use crate::backend::daemon::{Daemon, Instance, NoEngine};
use crate::backend::elsewhere::{Builders, Elsewhere};
use crate::backend::leaving::{self, Leaving};
use crate::backend::{Artifact, BuildError, Job};
use crate::recipe::Recipe;

/// The backend that builds with Docker.
#[derive(Debug)]
pub struct Docker {
    pub(super) daemon: Arc<Daemon>,
    pub(super) elsewhere: Elsewhere,
    /// What carries out the builds, once that was asked for.
    way: OnceLock<Way>,
    pub(super) leaving: Leaving,
}

impl Default for Docker {
    fn default() -> Self {
        Self::on(Arc::default())
    }
}

impl Docker {
    /// Uses the daemon of the `docker` in PATH, in the environment of this process. Starts nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses the daemon of this `docker` command, with these variables in addition to the environment of this process.
    pub fn with(program: Option<PathBuf>, environment: Vec<(OsString, OsString)>) -> Self {
        Self::on(Arc::new(Daemon::new(program, environment)))
    }

    /// Uses this daemon.
    pub fn on(daemon: Arc<Daemon>) -> Self {
        let elsewhere = Elsewhere {
            by: Builders::Daemon,
            pushes: false,
        };
        Self::at(daemon, &elsewhere)
    }

    /// Builds elsewhere, if anything says so; what is loaded goes to this daemon.
    pub fn at(daemon: Arc<Daemon>, elsewhere: &Elsewhere) -> Self {
        Self {
            leaving: Leaving::new(daemon.registries()),
            daemon,
            elsewhere: elsewhere.clone(),
            way: OnceLock::new(),
        }
    }
}

/// What carries out the builds.
#[derive(Debug)]
pub(super) enum Way {
    /// The daemon.
    Daemon,
    /// A builder of buildx.
    Instance(Instance),
    /// `BuildKit`s that are spoken to directly.
    Pool(Pool),
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
            Builders::Pool(named) => {
                return match Pool::new(named, daemon.registries()) {
                    Ok(pool) => Self::Pool(pool),
                    Err(why) => Self::Nowhere(NoEngine::lasting(why, "name files in PEM")),
                };
            }
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
        match self.way() {
            Way::Daemon => false,
            Way::Pool(_) => true,
            Way::Instance(_) | Way::Nowhere(_) => self.elsewhere.pushes,
        }
    }

    /// Why no attestations of this build can be kept; `None` if they can, or if none are asked for.
    pub(super) fn attests_nothing(&self, recipe: &Recipe) -> Option<String> {
        if recipe.wishes.attest.is_empty() {
            return None;
        }
        match self.way() {
            Way::Daemon => self.daemon.keeps_no_attestations(),
            Way::Pool(pool) => pool.joins(recipe).then(|| {
                "what several nodes build for several platforms is joined without attestations: name one node, or one platform"
                    .to_owned()
            }),
            Way::Instance(_) if !self.is_leaving() => Some(
                "an image that a builder of buildx hands to the daemon loses them: push it (`--push`)".to_owned(),
            ),
            Way::Instance(_) | Way::Nowhere(_) => None,
        }
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
                let called = leaving::called(job)?;
                let digest = self
                    .daemon
                    .push_by_instance(instance, job, &called, asker)?;
                self.leaving.confirm(job, &digest, asker)?;
                Ok((digest, None))
            }
            Way::Pool(pool) => {
                let called = leaving::called(job)?;
                let build = |request: Request<'_>| pool.build(&request);
                let digest = self.daemon.requested(job, &called, asker, build)?;
                self.leaving.confirm(job, &digest, asker)?;
                Ok((digest, None))
            }
            Way::Instance(instance) => self.daemon.load_by_instance(instance, job, asker),
            Way::Nowhere(none) => Err(BuildError::Failed(none.sentence())),
        }
    }

    /// Brings an image that has left into the local store: the one with the artifact's digest, whatever its tag points to by now.
    pub(super) fn bring_back(&self, image: &Artifact, asker: Asker<'_>) -> Result<(), BuildError> {
        let name = leaving::pinned(image);
        let name = name.ok_or_else(|| {
            let what = &image.reference;
            BuildError::Failed(format!("`{what}` has no digest in its registry"))
        })?;
        self.daemon.pull_as(&name, image, asker)
    }
}
