//! The `docker` backend: one Dockerfile an image, built by the `BuildKit` of a Docker daemon.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::buildkit::options;
use super::daemon::{Daemon, locked_digests};
use super::dockerfile::{self, Called, stage::stage};
use super::{
    Artifact, Availability, Backend, BuildError, Existence, Job, Notes, Outsider, Resolved,
    Unresolved, Unsupported, Wanted, context, labels,
};
use crate::asking::Asker;
use crate::cancel::Cancel;
use crate::recipe::{CopyStep, Recipe, Step};
use crate::spec::Base;

/// Builds with Docker.
#[derive(Debug, Default)]
pub struct Docker(Arc<Daemon>);

impl Docker {
    /// With the daemon that the `docker` of PATH asks, in the environment of this process. Nothing is started yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the daemon that this `docker` program asks, with these variables besides the environment of this process.
    pub fn with(program: Option<PathBuf>, environment: Vec<(OsString, OsString)>) -> Self {
        Self::on(Arc::new(Daemon::new(program, environment)))
    }

    /// With this daemon.
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
        unsupported(recipe)
    }

    /// Bases of the workspace have their references in it; a build names them by private tags instead, of the same images.
    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError> {
        let bases = job.bases.iter();
        let called = Called {
            parents: bases
                .map(|(id, base)| (id.clone(), base.reference.clone()))
                .collect(),
            locked: locked_digests(job).collect(),
        };
        let to = context::theirs(to)?;
        stage(job, &dockerfile::of_job(job, &called)?, &to)
    }

    fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
        self.0.exists(wanted, asker)
    }

    fn resolve(
        &self,
        wanted: &[Outsider<'_>],
        asker: Asker<'_>,
    ) -> Vec<Result<Resolved, Unresolved>> {
        self.0.resolve(wanted, asker)
    }

    fn foreign(&self, wanted: &[Outsider<'_>], asker: Asker<'_>) -> Vec<Option<Unresolved>> {
        self.0.foreign(wanted, asker)
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
    ) -> Result<Option<String>, BuildError> {
        self.0
            .push(&artifact.reference, Asker::build(notes, cancel))
    }
}

type Refuse<'a> = &'a mut dyn FnMut(&str, String);

/// The fields that cannot be honoured, in the order of the recipe.
fn unsupported(recipe: &Recipe) -> Vec<Unsupported> {
    let mut unsupported = Vec::new();
    let mut refuse = |field: &str, why: String| {
        let field = field.to_owned();
        unsupported.push(Unsupported { field, why });
    };
    names(recipe, &mut refuse);
    wishes(recipe, &mut refuse);
    unsupported
}

fn names(recipe: &Recipe, refuse: Refuse<'_>) {
    let unsettable = |name: &str| format!("`{name}` is not a name that a Dockerfile can set");
    for step in &recipe.steps {
        match step {
            Step::Copy(CopyStep {
                owner: Some(owner), ..
            }) if !is_owner(owner) => refuse(
                "copy",
                format!(
                    "`{owner}` is not an owner that a Dockerfile can name: `user` or `user:group`"
                ),
            ),
            Step::Env(pairs) => pairs
                .iter()
                .filter(|(name, _)| !is_plain_name(name))
                .for_each(|(name, _)| refuse("env", unsettable(name))),
            _ => {}
        }
    }
    for (name, _) in &recipe.config.labels {
        if name.is_empty() || name.contains('=') {
            refuse("labels", unsettable(name));
        }
        if labels::is_reserved(name) {
            refuse("labels", format!("`{name}` is imgspec's own"));
        }
    }
}

/// What the daemon cannot be asked for, and references that would not stay one word.
fn wishes(recipe: &Recipe, refuse: Refuse<'_>) {
    let is_strict = !recipe.wishes.is_lenient;
    let options = recipe.wishes.options.iter().filter(|_| is_strict);
    for (name, value) in options {
        if let Err(why) = options::attribute(name, value) {
            refuse("builder-options", why);
        }
    }
    if recipe.wishes.registry_config.is_some() && is_strict {
        refuse(
            "registry-config",
            "how registries are reached is the daemon's affair: `registry-mirrors` and `insecure-registries` in its daemon.json, \
             certificates in /etc/docker/certs.d"
                .to_owned(),
        );
    }
    for image in [&recipe.helpers.uv, &recipe.helpers.micromamba] {
        if image.contains(|each: char| each.is_whitespace() || "$,\"".contains(each)) {
            refuse("builder-config", format!("`{image}` is not a reference"));
        }
    }
    if let Base::Registry(reference) = &recipe.base
        && reference.contains(|each: char| each.is_whitespace() || each == '$')
    {
        refuse("base-image", format!("`{reference}` is not a reference"));
    }
}

/// Environment names that need no quotes.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Users and groups as they are in every system's files.
fn is_owner(owner: &str) -> bool {
    let (user, group) = owner.split_once(':').unwrap_or((owner, "0"));
    is_plain_name(user) && is_plain_name(group)
}
