//! The `docker` backend: one Dockerfile an image, built by the `BuildKit` of a Docker daemon.

mod check;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::daemon::Daemon;
use super::dockerfile::{self, stage::stage};
use super::{
    Artifact, Availability, Backend, BuildError, Existence, Job, Notes, Unsupported, Wanted,
    context,
};
use crate::asking::Asker;
use crate::cancel::Cancel;
use crate::recipe::Recipe;

/// Builds with Docker.
#[derive(Debug, Default)]
pub struct Docker(Arc<Daemon>);

impl Docker {
    /// With the daemon that the `docker` of PATH asks, in the environment of this process. Nothing is started yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With the daemon that this `docker` program asks, with these variables besides the environment of this process.
    #[must_use]
    pub fn with(program: Option<PathBuf>, environment: Vec<(OsString, OsString)>) -> Self {
        Self::on(Arc::new(Daemon::new(program, environment)))
    }

    /// With this daemon.
    #[must_use]
    pub fn on(daemon: Arc<Daemon>) -> Self {
        Self(daemon)
    }
}

impl Backend for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn priority(&self) -> u8 {
        10
    }

    fn availability(&self, asker: Asker<'_>) -> Availability {
        self.0.availability(asker)
    }

    fn clean(&self, asker: Asker<'_>) -> Result<usize, String> {
        self.0.clean_pins(asker)
    }

    fn check(&self, recipe: &Recipe) -> Vec<Unsupported> {
        check::unsupported(recipe)
    }

    /// Bases have their references in it; a build names them by private tags instead, of the same images.
    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError> {
        let bases = job.bases.iter();
        let parents = bases
            .map(|(id, base)| (id.clone(), base.reference.clone()))
            .collect();
        let to = context::theirs(to)?;
        stage(job, &dockerfile::of_job(job, &parents)?, &to)
    }

    fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
        self.0.exists(wanted, asker)
    }

    fn build(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let built = self.0.build(job, None, Asker::build(notes, cancel));
        context::drop_scratch(job);
        Ok(job.artifact(self.name(), built?))
    }

    fn push(
        &self,
        _job: &Job<'_>,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        self.0
            .push(&artifact.reference, Asker::build(notes, cancel))
    }
}
