//! The `docker` backend: one Dockerfile an image, built by the `BuildKit` of a Docker daemon.
//!
//! Knows one job at a time. The choices made (numbers in `docs/design/docker.md`): a daemon on a Unix socket is spoken to
//! directly, any other one through buildx, without the `docker` program before it; parents are named by private tags, so that nobody moves them between two builds; a tag is
//! given by the build itself, which gives it only after everything else succeeded.

mod ask;
mod borrow;
mod build;
mod buildkit;
mod daemon;
mod dockerfile;
mod endpoint;
mod engine;
mod failure;
#[cfg(test)]
mod fuzz;
mod install;
mod line;
mod local;
mod options;
mod pins;
mod progress;
mod push;
mod quote;
mod races;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::oci::registry;
use super::{
    Artifact, Availability, Backend, BuildError, Cancel, Existence, Job, Notes, StoreKind,
    Unsupported, Wanted, context,
};
use crate::asking::Asker;
use crate::disk::dir::Dir;
use crate::limits::Limits;
use crate::recipe::{CopyStep, Recipe, Step};
use crate::spec::Base;
use buildkit::BuildKit;
use dockerfile::Dockerfile;
use endpoint::Endpoint;
use engine::{Engine, NoEngine};
use pins::Pins;
use races::Races;

pub(in crate::backend) use borrow::{Found as Image, failed};
pub(in crate::backend) use build::broken_off;
pub(in crate::backend) use dockerfile::{StepName, main_file, one_line, shown};
pub(in crate::backend) use install::ACCOUNT_SCRIPT;
pub(in crate::backend) use progress::{Form, Progress, Trouble};

/// The label that holds an image's key.
pub const KEY_LABEL: &str = "dev.imgspec.key";

/// The label that holds an image's id.
pub const IMAGE_LABEL: &str = "dev.imgspec.image";

/// Set to 1, builds go through Docker's programs even where the daemon could be spoken to directly.
const BY_PROGRAMS: &str = "IMGSPEC_DOCKER_PROGRAMS";

/// How many calls remove names at once.
const REMOVERS: usize = 8;

/// Whether a label's name is ours.
fn is_reserved(name: &str) -> bool {
    name.starts_with("dev.imgspec.")
}

/// Builds with Docker. Removes its private names of images when it is dropped.
#[derive(Debug)]
pub struct Docker {
    program: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    limits: Limits,
    engine: Mutex<Option<Found>>,
    pins: Pins,
    races: Races,
    /// Whether the daemon gave no answer when it was last asked.
    is_lost: AtomicBool,
}

/// What Docker there is, and the way to it.
#[derive(Debug, Clone)]
struct Found {
    engine: Engine,
    /// None where builds go through Docker's programs.
    direct: Option<Arc<Direct>>,
}

/// A daemon that is spoken to directly.
#[derive(Debug)]
struct Direct {
    buildkit: BuildKit,
    /// Build arguments for proxies.
    proxies: Vec<(String, String)>,
}

impl Default for Docker {
    fn default() -> Self {
        Self::new()
    }
}

impl Docker {
    /// The `docker` of PATH, in the environment of this process. Nothing is started yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with(which::which("docker").ok(), Vec::new())
    }

    /// This `docker` program, with these variables besides the environment of this process.
    #[must_use]
    pub fn with(program: Option<PathBuf>, environment: Vec<(OsString, OsString)>) -> Self {
        let mut this = Self {
            program,
            environment,
            limits: Limits::default(),
            engine: Mutex::default(),
            pins: Pins::new(),
            races: Races::default(),
            is_lost: AtomicBool::new(false),
        };
        // Who starts the program is told of what is no time; here it is as if nothing was said.
        this.limits = Limits::read(&|name| this.variable(name)).unwrap_or_default();
        this
    }

    fn remove_names(&self, names: &[&str]) {
        // One call removes one name after the other. Where a name is an image's last one, containerd's store collects its garbage
        // each time, but once for all who wait for it.
        let share = names.len().div_ceil(REMOVERS).clamp(1, local::AT_ONCE);
        std::thread::scope(|scope| {
            for some in names.chunks(share) {
                scope.spawn(move || {
                    let head = ["image", "rm"];
                    let arguments: Vec<&str> = head.iter().chain(some).copied().collect();
                    // A name that cannot be removed costs nothing but its line in `docker images`.
                    let _ = self.listen(&arguments, &Cancel::default(), |_, _| {});
                });
            }
        });
    }

    /// What Docker there is. Only success is remembered: a daemon may be starting.
    fn found(&self, asker: Asker<'_>) -> Result<Found, NoEngine> {
        let mut known = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.as_ref() {
            return Ok(found.clone());
        }
        let found = self.probe(asker)?;
        *known = Some(found.clone());
        Ok(found)
    }

    fn probe(&self, asker: Asker<'_>) -> Result<Found, NoEngine> {
        if self.program.is_none() {
            return Err(NoEngine::no_program());
        }
        let endpoint = self.endpoint()?;
        let whom = endpoint.words();
        let said = self
            .ask(&["info", "--format", "{{json .}}"], asker)
            .map_err(|error| NoEngine::unreached(&whom, &error))?;
        let mut engine = engine::read(&whom, &said.out, &said.err)?;
        if engine.client.is_none() {
            let said = self.ask(&["version", "--format", "{{.Client.Version}}"], asker);
            engine.client = said.ok().map(|said| said.out.trim().to_owned());
        }
        let direct = self.direct(&engine, &endpoint);
        if direct.is_none() {
            engine.can_build()?;
        }
        Ok(Found { engine, direct })
    }

    /// The direct way to the daemon, where there is one and nobody forbade it.
    fn direct(&self, engine: &Engine, endpoint: &Endpoint) -> Option<Arc<Direct>> {
        if !engine.can_be_direct() || !self.may_be_direct(endpoint) {
            return None;
        }
        let proxies = endpoint.proxies(self.configuration().as_deref());
        let buildkit = BuildKit::new(endpoint, self.registries()).ok()?;
        Some(Arc::new(Direct { buildkit, proxies }))
    }

    fn dockerfile(
        job: &Job<'_>,
        parents: &BTreeMap<String, String>,
    ) -> Result<Dockerfile, BuildError> {
        let bases = job.bases.iter();
        let source = dockerfile::Source {
            image: job.image,
            key: job.key,
            recipe: job.recipe,
            files: job.files.iter().map(AsRef::as_ref).collect(),
            parents,
            names: bases
                .map(|(id, base)| (id.as_str(), base.reference.as_str()))
                .collect(),
        };
        match &job.recipe.dockerfile {
            None => {
                let rendered = dockerfile::render(&source);
                match quote::too_long(&rendered.text) {
                    None => Ok(rendered),
                    Some(length) => Err(BuildError::Failed(format!(
                        "its Dockerfile would have a line of {length} bytes that cannot be continued, and BuildKit reads 65,535: \
                         a value is too long"
                    ))),
                }
            }
            Some(own) => {
                let text = context::text(&job.files[0])?;
                Ok(dockerfile::own(&source, own, text))
            }
        }
    }

    /// Puts the Dockerfile and the context of a job where programs can send them from.
    fn write(job: &Job<'_>, dockerfile: &Dockerfile, to: &Dir) -> Result<(), BuildError> {
        let folder = context::empty(to, build::CONTEXT)?;
        if let Some(own) = &dockerfile.own {
            context::stage_in(&job.files[1], &folder)?;
            for (name, set) in &own.folders {
                let named = context::empty(to, build::named_folder(name))?;
                context::stage_in(&job.files[*set], &named)?;
            }
        } else {
            for (at, files) in job.files.iter().enumerate() {
                let set = context::empty(&folder, at.to_string())?;
                context::stage_in(files, &set)?;
                if let Some(name) = dockerfile::stand_in(files) {
                    set.rename(dockerfile::main_file(files), name)
                        .map_err(context::unwritten)?;
                }
            }
        }
        let texts = [
            (build::DOCKERFILE, dockerfile.text.as_str()),
            (build::IGNORE, build::NO_RULES),
        ];
        texts
            .iter()
            .try_for_each(|(name, text)| to.write(name, text.as_bytes()))
            .map_err(context::unwritten)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let names = self.pins.take();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // From a daemon that says nothing they are taken by `clean`.
        if !names.is_empty() && !self.is_lost.load(Ordering::Relaxed) {
            self.remove_names(&names);
        }
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
        match self.found(asker) {
            Ok(found) => found.engine.availability(found.direct.is_some()),
            Err(none) => Availability::Missing {
                why: none.why,
                mend: none.mend,
            },
        }
    }

    fn clean(&self, asker: Asker<'_>) -> Result<usize, String> {
        self.clean_names(Pins::is_left, asker)
    }

    fn check(&self, recipe: &Recipe) -> Vec<Unsupported> {
        let mut unsupported = Vec::new();
        let mut refuse = |field: &str, why: String| {
            unsupported.push(Unsupported {
                field: field.to_owned(),
                why,
            });
        };
        for step in &recipe.steps {
            match step {
                Step::Copy(CopyStep {
                    owner: Some(owner), ..
                }) if !is_owner(owner) => refuse(
                    "copy",
                    format!(
                        "`{owner}` is no owner that a Dockerfile can name: `user` or `user:group`"
                    ),
                ),
                Step::Env(pairs) => {
                    for (name, _) in pairs.iter().filter(|(name, _)| !is_plain_name(name)) {
                        refuse(
                            "env",
                            format!("`{name}` is no name that a Dockerfile can set"),
                        );
                    }
                }
                _ => {}
            }
        }
        for (name, _) in &recipe.config.labels {
            if name.is_empty() || name.contains('=') {
                refuse(
                    "labels",
                    format!("`{name}` is no name that a Dockerfile can set"),
                );
            }
            if is_reserved(name) {
                refuse("labels", format!("`{name}` is imgspec's own"));
            }
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
                "how registries are reached is the daemon's affair: `registry-mirrors` and `insecure-registries` in its daemon.json, \
                 certificates in /etc/docker/certs.d"
                    .to_owned(),
            );
        }
        for image in [&recipe.helpers.uv, &recipe.helpers.micromamba] {
            if image.contains(|each: char| each.is_whitespace() || "$,\"".contains(each)) {
                refuse("builder-config", format!("`{image}` is no reference"));
            }
        }
        if let Base::Registry(reference) = &recipe.base
            && reference.contains(|each: char| each.is_whitespace() || each == '$')
        {
            refuse("base-image", format!("`{reference}` is no reference"));
        }
        unsupported
    }

    /// Bases have their references in it; a build names them by private tags instead, of the same images.
    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError> {
        let bases = job.bases.iter();
        let parents = bases
            .map(|(id, base)| (id.clone(), base.reference.clone()))
            .collect();
        let to = context::theirs(to)?;
        Self::write(job, &Self::dockerfile(job, &parents)?, &to)
    }

    fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
        let at = |place: StoreKind| {
            wanted
                .iter()
                .filter(move |wanted| wanted.place == place)
                .cloned()
                .collect::<Vec<Wanted<'_>>>()
        };
        let local = at(StoreKind::Local);
        let remote = at(StoreKind::Registry);
        let (local, remote) = std::thread::scope(|scope| {
            let answered =
                scope.spawn(|| registry::exists(&remote, KEY_LABEL, &self.registries(), asker));
            let local = self.exists_here(&local, asker);
            let remote = answered
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (local, remote)
        });
        let (mut local, mut remote) = (local.into_iter(), remote.into_iter());
        wanted
            .iter()
            .map(|wanted| match wanted.place {
                StoreKind::Local => local.next(),
                StoreKind::Registry => remote.next(),
            })
            .map(|found| found.expect("one answer for each reference"))
            .collect()
    }

    fn build(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let built = self.build_in(job, None, notes, cancel);
        context::drop_scratch(job);
        built
    }

    fn push(
        &self,
        _job: &Job<'_>,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        self.push_from(artifact, notes, cancel)
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
