//! The calls that build and push, from the command line to the verdict.
//!
//! The choice made: the verdict is the exit code, or the answer to the call; the digest comes from the file that the builder
//! writes, or from that answer.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::buildkit::{self, Build, Ended, Touch, Tree};
use super::dockerfile::{Dockerfile, Own};
use super::engine::{Buildx, NoEngine};
use super::progress::{Form, Progress, Trouble};
use super::{Direct, Docker, Found, dockerfile, failure, options, quote};
use crate::asking::Asker;
use crate::backend::oci::reference::Reference;
use crate::backend::secret::{self, Discreet, Hider, Revealed};
use crate::backend::{Artifact, BuildError, Cancel, Job, Notes, context};
use crate::disk::dir::Dir;
use crate::disk::system_words;
use crate::process::{self, Patience};
use crate::spec::Base;

/// The Dockerfile's name in the folder of a job.
pub(super) const DOCKERFILE: &str = "Dockerfile";

/// The context's name in the folder of a job.
pub(super) const CONTEXT: &str = "context";

/// The ignore file that goes before the context's own.
pub(super) const IGNORE: &str = "Dockerfile.dockerignore";

/// What is in it: what may be copied was decided when it was hashed.
pub(super) const NO_RULES: &str = "# imgspec has left out what is not wanted\n";

/// Where the builder writes what it made.
const RESULT: &str = "result";

/// More than a digest and what goes with it.
const LARGEST_RESULT: u64 = 16 << 20;

/// One call of a builder.
struct Call<'a> {
    job: &'a Job<'a>,
    found: &'a Found,
    dockerfile: &'a Dockerfile,
    pin: &'a str,
    secrets: &'a [Revealed],
    /// What the result says of itself, instead of what its recipe makes it say.
    config: Option<&'a str>,
    parents: &'a BTreeMap<String, String>,
}

impl Docker {
    /// Builds. With `config` the result is the base itself, and says this of itself: OCI's image configuration; only a daemon
    /// that is spoken to directly takes it, through Docker's programs the recipe has the word.
    pub(in crate::backend) fn build_in(
        &self,
        job: &Job<'_>,
        config: Option<&str>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let asker = Asker::build(notes, cancel);
        let found = self.found(asker).map_err(|none| unavailable(&none))?;
        if job.recipe.platforms.len() > 1 && !found.engine.containerd_store {
            return Err(one_platform(job));
        }
        let anew = Job {
            no_cache: job.no_cache || self.races.is_stuck(job.image),
            ..job.clone()
        };
        let job = &anew;
        let parents = self.parents(job, asker)?;
        let dockerfile = Self::dockerfile(job, &parents)?;
        let secrets = self.secrets(job, &dockerfile)?;
        let hider = Hider::new(&secrets);
        let notes: &dyn Notes = &Discreet {
            notes,
            hider: &hider,
        };
        if cancel.is_requested() {
            return Err(BuildError::Cancelled);
        }
        let pin = self.pins.next();
        let call = Call {
            job,
            found: &found,
            dockerfile: &dockerfile,
            pin: &pin,
            secrets: &secrets,
            config,
            parents: &parents,
        };
        let built = match &found.direct {
            Some(direct) => self.ask_daemon(direct, &call, notes, cancel),
            None => self.call(&call, notes, cancel),
        };
        let digest = built.map_err(|error| {
            if failure::is_race(&error) {
                self.races.note(job.image);
            }
            hider.hide_error(error)
        })?;
        self.pins.note(&digest, &pin);
        Ok(Artifact {
            backend: "docker".to_owned(),
            reference: job.reference.to_owned(),
            digest,
        })
    }

    /// What steps are given: the image's secrets, and where to find Python.
    fn secrets(&self, job: &Job<'_>, dockerfile: &Dockerfile) -> Result<Vec<Revealed>, BuildError> {
        let variable = |name: &str| self.variable(name);
        let mut secrets = secret::of_job(job, &variable)?;
        let sources = dockerfile.secrets.iter();
        secrets.extend(sources.filter_map(|name| {
            Some(Revealed {
                id: (*name).to_owned(),
                value: self.variable(name)?.into_bytes(),
            })
        }));
        Ok(secrets)
    }

    /// The build by the daemon's `BuildKit` itself.
    fn ask_daemon(
        &self,
        direct: &Direct,
        call: &Call<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<String, BuildError> {
        let mut progress = Progress::new(Form::Raw, &call.dockerfile.steps, notes);
        let secrets = call.secrets.iter();
        let names = [normal(call.job.reference), normal(call.pin)];
        let base = call.parents.values().next().map(|name| normal(name));
        let touch = call.config.zip(base.as_deref());
        let build = Build {
            files: files_name(call.job),
            dockerfile: &call.dockerfile.text,
            folders: folders(call),
            names: &names,
            attributes: call.attributes(&direct.proxies),
            touch: touch.map(|(config, image)| Touch { image, config }),
            secrets: secrets
                .map(|secret| (secret.id.clone(), secret.value.clone()))
                .collect(),
            registries: hosts(call),
        };
        let ended = direct.buildkit.build(&build, &mut progress, notes, cancel);
        let is_lost = matches!(ended, Err(Ended::Lost(_)));
        self.is_lost.store(is_lost, Ordering::Relaxed);
        ended.map_err(|ended| match ended {
            Ended::Cancelled => BuildError::Cancelled,
            Ended::Moved(path) => BuildError::Moved { path },
            Ended::Lost(why) => BuildError::Transient(why),
            Ended::Failed(why) => {
                let trouble = progress.trouble();
                let trouble = if trouble.error.is_empty() {
                    Trouble {
                        error: why,
                        ..trouble
                    }
                } else {
                    trouble
                };
                failure::build(&trouble, &call.dockerfile.steps)
            }
        })
    }

    /// The build by one of Docker's programs.
    fn call(
        &self,
        call: &Call<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<String, BuildError> {
        let scratch = context::scratch(call.job)?;
        Self::write(call.job, call.dockerfile, &scratch)?;
        let (mut command, form) = match &call.found.engine.buildx {
            Some(buildx) => self.buildx(buildx, call),
            None => (self.classic(call)?, Form::Plain),
        };
        call.arguments(&mut command);
        let mut progress = Progress::new(form, &call.dockerfile.steps, notes);
        let (hosts, is_fetching) = (hosts(call), Cell::new(true));
        let hope = || self.hope(hosts.iter().filter(|_| is_fetching.get()), cancel);
        let patience = Patience {
            limits: &self.limits,
            cancel,
            hope: Some(&hope),
        };
        let exit = process::run(&mut command, patience, |_, line| {
            progress.line(line);
            is_fetching.set(progress.is_fetching());
        })
        .map_err(|error| broken_off("the builder", &error))?;
        let trouble = progress.trouble();
        if !exit.status.success() {
            return Err(if exit.stopped {
                BuildError::Cancelled
            } else {
                failure::build(&trouble, &call.dockerfile.steps)
            });
        }
        digest(&scratch)
    }

    /// `docker-buildx build`, as the docker program would call it.
    fn buildx(&self, buildx: &Buildx, call: &Call<'_>) -> (Command, Form) {
        let mut command = self.command(&buildx.path);
        process::keep_all(&mut command);
        let form = if buildx.has_raw_progress() {
            Form::Raw
        } else {
            Form::Plain
        };
        command
            .env("BUILDX_METADATA_PROVENANCE", "disabled")
            .env("BUILDX_GIT_INFO", "false")
            // The daemon itself, whatever builder is current: others do not see its images (buildkit#2343).
            .args(["build", "--builder", &call.found.engine.context])
            .arg("--metadata-file")
            .arg(call.job.scratch.join(RESULT))
            .arg(match form {
                Form::Raw => "--progress=rawjson",
                Form::Plain => "--progress=plain",
            });
        if buildx.has_attestations() {
            // They hold times, so the digest of the same image would be another with every build (moby#48391).
            command.args(["--provenance=false", "--sbom=false"]);
        }
        if std::env::var_os("GOGC").is_none() {
            // It lives for one build: collecting less saves a fifth of its time.
            command.env("GOGC", "400");
        }
        (command, form)
    }

    /// `docker build` with the `BuildKit` that it has had since 18.09.
    fn classic(&self, call: &Call<'_>) -> Result<Command, BuildError> {
        let mut command = self
            .docker()
            .map_err(|_| unavailable(&NoEngine::no_program()))?;
        process::keep_all(&mut command);
        command
            .env("DOCKER_BUILDKIT", "1")
            .args(["build", "--progress=plain", "--iidfile"])
            .arg(call.job.scratch.join(RESULT));
        Ok(command)
    }

    /// What the images that a job needs are called for `FROM`.
    fn parents(
        &self,
        job: &Job<'_>,
        asker: Asker<'_>,
    ) -> Result<BTreeMap<String, String>, BuildError> {
        job.recipe
            .images()
            .map(|id| {
                let base = job.bases.get(id).ok_or_else(|| {
                    BuildError::Failed(format!("`{}` needs `{id}`, which is not built", job.image))
                })?;
                Ok((id.to_owned(), self.pinned(id, base, asker)?))
            })
            .collect()
    }

    /// A name of just this image. One that is only in a registry has its digest there.
    pub(in crate::backend) fn pinned(
        &self,
        id: &str,
        base: &Artifact,
        asker: Asker<'_>,
    ) -> Result<String, BuildError> {
        if let Some(name) = self.pins.of(&base.digest) {
            return Ok(name);
        }
        let name = self.pins.next();
        let said = self.told(&["image", "tag", &base.digest, &name], asker)?;
        if said.success {
            self.pins.note(&base.digest, &name);
            return Ok(name);
        }
        let why = said.err.trim();
        if failure::is_passing(why) {
            return Err(BuildError::Transient(why.to_owned()));
        }
        match Reference::read(&base.reference) {
            Some(reference) if reference.has_host => {
                Ok(format!("{}@{}", reference.repository(), base.digest))
            }
            _ => Err(BuildError::Failed(format!(
                "`{id}`, which it is built on, is no longer in the local store: {why}"
            ))),
        }
    }
}

/// Why a program did not run to its end.
pub(in crate::backend) fn broken_off(what: &str, error: &io::Error) -> BuildError {
    match error.kind() {
        io::ErrorKind::TimedOut => BuildError::Transient(error.to_string()),
        io::ErrorKind::Interrupted => BuildError::Cancelled,
        _ => BuildError::Failed(format!("{what} does not start: {error}")),
    }
}

/// The registries that a build fetches from before its first step.
fn hosts(call: &Call<'_>) -> Vec<String> {
    let recipe = call.job.recipe;
    let base = match &recipe.base {
        Base::Registry(reference) => Some(reference),
        Base::Image(_) | Base::Scratch => None,
    };
    let helpers = [&recipe.helpers.uv, &recipe.helpers.micromamba].into_iter();
    let helpers = helpers.filter(|helper| call.dockerfile.text.contains(helper.as_str()));
    let mut hosts: Vec<String> = base
        .into_iter()
        .chain(helpers)
        .filter_map(|reference| Some(Reference::read(reference)?.host))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

impl Call<'_> {
    /// What the Dockerfile's frontend is told, by `BuildKit`'s names.
    fn attributes(&self, proxies: &[(String, String)]) -> HashMap<String, String> {
        let recipe = self.job.recipe;
        let mut attributes = HashMap::from([("platform".to_owned(), recipe.platforms.join(","))]);
        if self.job.no_cache {
            attributes.insert("no-cache".into(), String::new());
        }
        if self.dockerfile.newline {
            attributes.insert(format!("build-arg:{}", quote::NEWLINE), "\n".into());
        }
        let mut add = |kind: &str, name: &str, value: &str| {
            attributes.insert(format!("{kind}:{name}"), value.to_owned());
        };
        for (name, value) in proxies {
            add("build-arg", name, value);
        }
        if let Some(own) = &self.dockerfile.own {
            for (name, value) in &own.args {
                add("build-arg", name, value);
            }
            for (name, value) in &own.labels {
                add("label", name, value);
            }
            for (name, image) in &own.images {
                add("context", name, &format!("docker-image://{image}"));
            }
            for (name, _) in &own.folders {
                add("context", name, &format!("local:{name}"));
            }
            if let Some(target) = &own.target {
                attributes.insert("target".into(), target.clone());
            }
        }
        for (name, value) in &recipe.wishes.options {
            if let Ok(Some((name, value))) = options::attribute(name, value) {
                attributes.insert(name.to_owned(), value);
            }
        }
        attributes
    }

    /// What both builders are told.
    fn arguments(&self, command: &mut Command) {
        let scratch = &self.job.scratch;
        command
            .args(["--tag", self.job.reference, "--tag", self.pin])
            .args(["--platform", &self.job.recipe.platforms.join(",")])
            .args(self.job.no_cache.then_some("--no-cache"))
            .arg("--file")
            .arg(scratch.join(DOCKERFILE));
        if self.dockerfile.newline {
            command.args(["--build-arg", &format!("{}=\n", quote::NEWLINE)]);
        }
        if let Some(own) = &self.dockerfile.own {
            self.own_arguments(own, command);
        }
        for (name, value) in &self.job.recipe.wishes.options {
            command.args(options::arguments(name, value));
        }
        self.secret_arguments(command);
        command.arg(scratch.join(CONTEXT));
    }

    fn own_arguments(&self, own: &Own, command: &mut Command) {
        let mut add = |option: &str, name: &str, value: &str| {
            command.args([option, &format!("{name}={value}")]);
        };
        for (name, value) in &own.args {
            add("--build-arg", name, value);
        }
        for (name, value) in &own.labels {
            add("--label", name, value);
        }
        for (name, image) in &own.images {
            add("--build-context", name, &format!("docker-image://{image}"));
        }
        for (name, _) in &own.folders {
            let folder = self.job.scratch.join(named_folder(name));
            add("--build-context", name, &folder.to_string_lossy());
        }
        command.args(own.target.iter().flat_map(|target| ["--target", target]));
    }

    /// Values reach the builder through its environment: command lines are seen by everyone.
    fn secret_arguments(&self, command: &mut Command) {
        for (at, secret) in self.secrets.iter().enumerate() {
            let variable = format!("IMGSPEC_SECRET_{at}");
            let id = &secret.id;
            command.args(["--secret", &format!("id={id},env={variable}")]);
            command.env(variable, OsStr::from_bytes(&secret.value));
        }
    }
}

/// Where a folder is put that a Dockerfile knows by this name.
pub(super) fn named_folder(name: &str) -> String {
    let digest = blake3::hash(name.as_bytes()).to_hex();
    format!("context-{}", &digest[..16])
}

/// What the frontend may ask for, by its names.
fn folders(call: &Call<'_>) -> Vec<(String, Arc<Tree>)> {
    let files = call.job.files;
    let Some(own) = &call.dockerfile.own else {
        return vec![(buildkit::CONTEXT.to_owned(), Arc::new(tree(call.job)))];
    };
    let whole = |set: usize| {
        let mut tree = Tree::default();
        tree.root(&files[set]);
        Arc::new(tree)
    };
    let named = own.folders.iter();
    let mut folders = vec![(buildkit::CONTEXT.to_owned(), whole(1))];
    folders.extend(named.map(|(name, set)| (name.clone(), whole(*set))));
    folders
}

/// What a job's Dockerfile may copy.
fn tree(job: &Job<'_>) -> Tree {
    let mut tree = Tree::default();
    for (at, files) in job.files.iter().enumerate() {
        tree.set(&at.to_string(), files, dockerfile::stand_in(files));
    }
    tree
}

/// A reference with its registry, as the daemon keeps it.
fn normal(reference: &str) -> String {
    Reference::read(reference).map_or_else(
        || reference.to_owned(),
        |read| format!("{}/{}:{}", read.host, read.path, read.tag),
    )
}

/// What the daemon knows the files of a job's image by: the same in the next run of this workspace, and in no other one.
fn files_name(job: &Job<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(job.root.as_os_str().as_encoded_bytes());
    hasher.update(b"\0").update(job.image.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

/// The digest in the file that a builder wrote: buildx JSON, or the bare digest.
fn digest(scratch: &Dir) -> Result<String, BuildError> {
    let bytes = scratch.read(RESULT, LARGEST_RESULT).map_err(|error| {
        let why = system_words(&error);
        BuildError::Failed(format!("what the builder made cannot be known: {why}"))
    })?;
    let text = String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default();
    let digest = match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(metadata) => metadata["containerimage.digest"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        Err(_) => text.trim().to_owned(),
    };
    if digest.starts_with("sha256:") {
        Ok(digest)
    } else {
        Err(BuildError::Failed(
            "the builder succeeded and did not say what it made".to_owned(),
        ))
    }
}

pub(super) fn unavailable(none: &NoEngine) -> BuildError {
    let message = format!("{}: {}", none.why, none.mend);
    if none.passing {
        BuildError::Transient(message)
    } else {
        BuildError::Failed(message)
    }
}

fn one_platform(job: &Job<'_>) -> BuildError {
    BuildError::Failed(format!(
        "Docker's classic image store keeps images of one platform, and this one is for {}: switch the daemon to the \
         containerd image store (`\"features\": {{\"containerd-snapshotter\": true}}` in daemon.json), or name one platform",
        job.recipe.platforms.join(" and ")
    ))
}
