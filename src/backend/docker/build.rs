//! The calls that build and push, from the command line to the verdict.
//!
//! The choice made: the exit code is the verdict, the digest comes from the file that the builder writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use super::dockerfile::Dockerfile;
use super::engine::{Buildx, Engine, NoEngine};
use super::progress::{Form, Progress};
use super::{Docker, failure, quote};
use crate::backend::{Artifact, BuildError, Cancel, Job, Notes, context};
use crate::process::{self, Stream};

/// The Dockerfile's name in the folder of a job.
pub(super) const DOCKERFILE: &str = "Dockerfile";

/// The context's name in the folder of a job.
pub(super) const CONTEXT: &str = "context";

/// Where the builder writes what it made.
const RESULT: &str = "result";

/// One call of a builder.
struct Call<'a> {
    job: &'a Job<'a>,
    engine: &'a Engine,
    dockerfile: &'a Dockerfile,
    pin: &'a str,
}

impl Docker {
    pub(super) fn build_in(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let engine = self.engine().map_err(|none| unavailable(&none))?;
        if job.recipe.platforms.len() > 1 && !engine.containerd_store {
            return Err(one_platform(job));
        }
        let parents = self.parents(job)?;
        context::empty(&job.scratch)?;
        let dockerfile = self.write(job, &parents, &job.scratch)?;
        if cancel.is_requested() {
            return Err(BuildError::Cancelled);
        }
        let pin = self.pins.next();
        let call = Call {
            job,
            engine: &engine,
            dockerfile: &dockerfile,
            pin: &pin,
        };
        let digest = self.call(&call, notes, cancel)?;
        self.pins.note(&digest, &pin);
        Ok(Artifact {
            backend: "docker".to_owned(),
            reference: job.reference.to_owned(),
            digest,
        })
    }

    fn call(
        &self,
        call: &Call<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<String, BuildError> {
        let (mut command, form) = match &call.engine.buildx {
            Some(buildx) => self.buildx(buildx, call),
            None => (self.classic(call)?, Form::Plain),
        };
        call.arguments(&mut command);
        let mut progress = Progress::new(form, &call.dockerfile.steps, notes);
        let exit = process::run(&mut command, cancel, |_, line| progress.line(line))
            .map_err(|error| BuildError::Failed(format!("the builder does not start: {error}")))?;
        let trouble = progress.trouble();
        if !exit.status.success() {
            return Err(if exit.stopped {
                BuildError::Cancelled
            } else {
                failure::build(&trouble, &call.dockerfile.steps)
            });
        }
        digest(&call.job.scratch.join(RESULT))
    }

    /// `docker-buildx build`, as the docker program would call it.
    fn buildx(&self, buildx: &Buildx, call: &Call<'_>) -> (Command, Form) {
        let mut command = self.command(&buildx.path);
        let form = if buildx.has_raw_progress() {
            Form::Raw
        } else {
            Form::Plain
        };
        command
            .env("BUILDX_METADATA_PROVENANCE", "disabled")
            .env("BUILDX_GIT_INFO", "false")
            // The daemon itself, whatever builder is current: others do not see its images (buildkit#2343).
            .args(["build", "--builder", &call.engine.context])
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
        command
            .env("DOCKER_BUILDKIT", "1")
            .args(["build", "--progress=plain", "--iidfile"])
            .arg(call.job.scratch.join(RESULT));
        Ok(command)
    }

    /// What the images that a job needs are called for `FROM`.
    fn parents(&self, job: &Job<'_>) -> Result<BTreeMap<String, String>, BuildError> {
        job.recipe
            .images()
            .map(|id| {
                let base = job.bases.get(id).ok_or_else(|| {
                    BuildError::Failed(format!("`{}` needs `{id}`, which is not built", job.image))
                })?;
                Ok((id.to_owned(), self.pinned(id, base)?))
            })
            .collect()
    }

    /// A name of just this image. One that is only in a registry has its digest there.
    fn pinned(&self, id: &str, base: &Artifact) -> Result<String, BuildError> {
        if let Some(name) = self.pins.of(&base.digest) {
            return Ok(name);
        }
        let name = self.pins.next();
        let said = self
            .ask(&["image", "tag", &base.digest, &name])
            .map_err(|error| BuildError::Transient(format!("docker does not answer: {error}")))?;
        if said.success {
            self.pins.note(&base.digest, &name);
            return Ok(name);
        }
        let why = said.err.trim();
        if failure::is_passing(why) {
            return Err(BuildError::Transient(why.to_owned()));
        }
        match crate::backend::oci::reference::Reference::read(&base.reference) {
            Some(reference) if reference.has_host => {
                Ok(format!("{}@{}", reference.repository(), base.digest))
            }
            _ => Err(BuildError::Failed(format!(
                "`{id}`, which it is built on, is no longer in the local store: {why}"
            ))),
        }
    }

    pub(super) fn push_from(
        &self,
        artifact: &Artifact,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(), BuildError> {
        let reference = &artifact.reference;
        let mut command = self
            .docker()
            .map_err(|_| unavailable(&NoEngine::no_program()))?;
        command.args(["image", "push", "--", reference]);
        notes.step(0, 0, "pushing");
        // What failed is said on standard error; the two streams arrive in any order.
        let mut last = String::new();
        let exit = process::run(&mut command, cancel, |stream, line| {
            notes.log(line);
            let is_telling = stream == Stream::Err || last.is_empty();
            if is_telling && !line.trim().is_empty() {
                line.clone_into(&mut last);
            }
        })
        .map_err(|error| BuildError::Failed(format!("docker does not start: {error}")))?;
        if exit.status.success() {
            Ok(())
        } else if exit.stopped {
            Err(BuildError::Cancelled)
        } else {
            Err(failure::push(reference, &last))
        }
    }
}

impl Call<'_> {
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
        for name in self.dockerfile.secrets {
            if has_variable(command, name) {
                command.args(["--secret", &format!("id={name},env={name}")]);
            }
        }
        command.arg(scratch.join(CONTEXT));
    }
}

/// Whether a call has this variable in its environment.
fn has_variable(command: &Command, name: &str) -> bool {
    let mut set = command.get_envs();
    std::env::var_os(name).is_some() || set.any(|(set, value)| set == name && value.is_some())
}

/// The digest in the file that a builder wrote: buildx JSON, or the bare digest.
fn digest(path: &Path) -> Result<String, BuildError> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
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

fn unavailable(none: &NoEngine) -> BuildError {
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
