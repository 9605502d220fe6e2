//! The `docker` backend: one Dockerfile per image, built by the `BuildKit` of a Docker daemon, or of a builder elsewhere.

mod base;
mod way;

use std::path::Path;
use std::sync::Arc;

use super::buildkit::{attest, options};
use super::daemon::{DOCKER, locked_digests};
pub use super::dockerfile::Described;
use super::dockerfile::{self, Called, stage::stage};
use super::{
    Artifact, Availability, Backend, BuildError, COMPRESSION, Claimant, CleanUp, Cleaned, DEBIAN,
    Existence, Job, Memory, Notes, Outsider, Resolved, StoreKind, Unplaced, Unresolved,
    Unsupported, Wanted, context, labels,
};
use crate::asking::Asker;
use crate::cancel::Cancel;
use crate::fingerprint::Files;
use crate::recipe::{Recipe, Step};
use crate::spec::Base;
pub use way::Docker;
use way::Way;

impl Backend for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn priority(&self) -> u8 {
        10
    }

    /// A builder elsewhere counts as being there: whoever named it is told if it is not.
    fn is_there(&self) -> bool {
        !matches!(self.way(), Way::Daemon) || self.daemon.is_there()
    }

    fn availability(&self, asker: Asker<'_>) -> Availability {
        match self.way() {
            Way::Daemon => self.daemon.availability(asker),
            Way::Instance(instance) => {
                let pushes = self.elsewhere.pushes;
                self.daemon.instance_availability(instance, pushes, asker)
            }
            Way::Pool(pool) => pool.availability(asker),
            Way::Nowhere(none) => Availability::Missing {
                why: none.why.clone(),
                mend: none.mend.clone(),
            },
        }
    }

    fn clean(&self, wish: &CleanUp, asker: Asker<'_>) -> Result<Cleaned, String> {
        if wish.dry_run {
            return Ok(Cleaned::default());
        }
        self.daemon.clean_pins(asker).map(Cleaned::names)
    }

    fn check(&self, recipe: &Recipe) -> Vec<Unsupported> {
        unsupported(recipe)
    }

    fn check_files(&self, recipe: &Recipe, files: &[Arc<Files>]) -> Vec<Unsupported> {
        base::unusable(recipe, files).into_iter().collect()
    }

    fn forbidden(&self, recipe: &Recipe) -> Vec<Unsupported> {
        let is_daemon = matches!(self.way(), Way::Daemon);
        let is_asked = is_daemon && !recipe.wishes.cache_to.is_empty();
        let why = is_asked.then(|| self.daemon.keeps_no_caches());
        let refused = why.flatten().map(|why| Unsupported {
            field: "cache-to".to_owned(),
            why,
        });
        let attestations = self.attests_nothing(recipe);
        let attestations = attestations.and_then(|why| attest::refused(&recipe.wishes, &why));
        refused.into_iter().chain(attestations).collect()
    }

    /// Refers to bases of the workspace by their references; a build uses private names of the same images instead.
    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError> {
        write(job, to).map(drop)
    }

    fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
        if self.is_leaving() {
            return self.leaving.exists(wanted, asker);
        }
        self.daemon.exists(wanted, asker)
    }

    fn resolve(
        &self,
        wanted: &[Outsider<'_>],
        asker: Asker<'_>,
    ) -> Vec<Result<Resolved, Unresolved>> {
        self.daemon.resolve(wanted, asker)
    }

    fn foreign(&self, wanted: &[Outsider<'_>], asker: Asker<'_>) -> Vec<Option<Unresolved>> {
        match self.way() {
            Way::Daemon => self.daemon.foreign(wanted, asker),
            // What the local store has is not what is built on there.
            Way::Instance(_) | Way::Pool(_) | Way::Nowhere(_) => {
                self.leaving.foreign(wanted, asker)
            }
        }
    }

    fn borrows(&self) -> bool {
        true
    }

    fn claimant(&self) -> Option<Claimant> {
        Some(Claimant::new(&self.daemon.registries()))
    }

    fn loads(&self) -> bool {
        true
    }

    fn nodes(&self, images: &[Unplaced<'_>], asker: Asker<'_>) -> Vec<Option<String>> {
        match self.way() {
            Way::Pool(pool) => pool.foresee(images, asker),
            Way::Daemon | Way::Instance(_) | Way::Nowhere(_) => vec![None; images.len()],
        }
    }

    fn leaves(&self) -> bool {
        self.is_leaving()
    }

    /// Its images are where they are built, unless they have left.
    fn load(&self, image: &Artifact, asker: Asker<'_>) -> Result<&'static str, BuildError> {
        if self.is_leaving() {
            self.bring_back(image, asker)?;
        }
        Ok(DOCKER)
    }

    fn build(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        base::check(job, cancel)?;
        let built = self.carry_out(job, Asker::build(notes, cancel));
        context::drop_scratch(job);
        let (digest, size) = built?;
        Ok(job.artifact(self.name(), digest, size))
    }

    fn also_name(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        place: StoreKind,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        let asker = Asker::build(notes, cancel);
        if self.is_leaving() {
            return self.leaving.also_name(job, artifact, asker);
        }
        self.daemon.also_name(job, artifact, place, asker)
    }

    fn push(
        &self,
        job: &Job<'_>,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Option<String>, BuildError> {
        let asker = Asker::build(notes, cancel);
        if self.is_leaving() {
            // Its build has pushed it.
            self.leaving.confirm(job, &artifact.digest, asker)?;
            return Ok(Some(artifact.digest.clone()));
        }
        self.daemon
            .push(job, &artifact.reference, &artifact.digest, asker)
    }

    fn pull(
        &self,
        job: &Job<'_>,
        _: &str,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let (digest, size) = self.daemon.pull_checked(job, Asker::build(notes, cancel))?;
        Ok(job.artifact(self.name(), digest, size))
    }

    fn memory(&self) -> Option<Memory> {
        self.daemon.memory()
    }
}

/// Writes the Dockerfile of a job and its context, and describes their build. Bases of the workspace have their references as
/// names.
///
/// # Errors
///
/// Fails if a file cannot be read or written, or if it changed since it was hashed.
pub fn write(job: &Job<'_>, to: &Path) -> Result<Described, BuildError> {
    let bases = job.bases.iter();
    let called = Called {
        parents: bases
            .map(|(id, base)| (id.clone(), base.reference.clone()))
            .collect(),
        locked: locked_digests(job).collect(),
    };
    let dockerfile = dockerfile::of_job(job, &called)?;
    stage(job, &dockerfile, &context::theirs(to)?)?;
    Ok(Described::new(job, &dockerfile))
}

type Refuse<'a> = &'a mut dyn FnMut(&str, String);

/// The fields that cannot be honored, in the order of the recipe.
fn unsupported(recipe: &Recipe) -> Vec<Unsupported> {
    let mut unsupported = Vec::new();
    let mut refuse = |field: &str, why: String| {
        let field = field.to_owned();
        unsupported.push(Unsupported { field, why });
    };
    base_file(recipe, &mut refuse);
    base_debian(recipe, &mut refuse);
    names(recipe, &mut refuse);
    wishes(recipe, &mut refuse);
    unsupported
}

/// Docker unpacks the tar of a root file system, which has no platform; images in files are for others.
fn base_file(recipe: &Recipe, refuse: Refuse<'_>) {
    let Base::File { name, .. } = &recipe.base else {
        return;
    };
    if name.is_some() {
        let why =
            "it builds on the tar of a root file system, not on an image in an archive (`ref`)";
        refuse("base-image", why.to_owned());
    }
    if recipe.platforms.len() > 1 {
        let why = "a root file system in a file is for one platform";
        refuse("platform", why.to_owned());
    }
}

/// Making a system of packages is the embedded builder's work, whose images this builder can build on.
fn base_debian(recipe: &Recipe, refuse: Refuse<'_>) {
    if let Base::Debian(_) = recipe.base {
        refuse("base-image", DEBIAN.to_owned());
    }
}

fn names(recipe: &Recipe, refuse: Refuse<'_>) {
    let unsettable = |name: &str| format!("`{name}` is not a name that a Dockerfile can set");
    for step in &recipe.steps {
        match step {
            Step::Copy(copy) => {
                let bad = copy.owner.iter().find(|owner| !is_owner(owner));
                if let Some(owner) = bad {
                    let why = format!(
                        "`{owner}` is not an owner that a Dockerfile can express: use `user` or `user:group`"
                    );
                    refuse("copy", why);
                }
            }
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
            refuse("labels", format!("`{name}` is reserved for imgspec"));
        }
    }
}

/// Rejects options that the daemon does not support, and references that would not remain a single word.
fn wishes(recipe: &Recipe, refuse: Refuse<'_>) {
    if recipe.config.compression.is_some() {
        refuse("compression", COMPRESSION.to_owned());
    }
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
            "registry access is configured in the daemon: `registry-mirrors` and `insecure-registries` in its daemon.json, \
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

/// Whether an environment variable's name needs no quoting.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// Whether this is a user, or a user and a group, with portable names.
fn is_owner(owner: &str) -> bool {
    let (user, group) = owner.split_once(':').unwrap_or((owner, "0"));
    is_plain_name(user) && is_plain_name(group)
}
