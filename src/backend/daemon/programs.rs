//! Builds through a command line: `docker-buildx build`, or `docker build` before buildx.
//!
//! The exit code decides; the digest comes from a file that the command writes.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use super::engine::{Buildx, EngineInfo, NoEngine};
use super::{Daemon, broken_off};
use crate::backend::buildkit::failure;
use crate::backend::buildkit::progress::{Form, Progress};
use crate::backend::buildkit::request::Request;
use crate::backend::dockerfile::Described;
use crate::backend::dockerfile::stage::stage;
use crate::backend::{BuildError, Job, context};
use crate::disk::dir::Dir;
use crate::disk::system_words;
use crate::process;

/// The file to which the command writes its result.
const RESULT: &str = "result";

const LARGEST_RESULT: u64 = 16 << 20;

impl Daemon {
    pub(super) fn by_programs(
        &self,
        info: &EngineInfo,
        request: &Request<'_>,
    ) -> Result<String, BuildError> {
        let scratch = context::scratch(request.job)?;
        stage(request.job, &request.dockerfile, &scratch)?;
        let (mut command, form) = match &info.buildx {
            Some(buildx) => self.buildx(buildx, &info.context, request.job),
            None => (self.classic(request.job)?, Form::Plain),
        };
        arguments(request, &mut command);
        let steps = &request.dockerfile.steps;
        let mut progress = Progress::new(form, steps, request.notes);
        let cancel = request.cancel;
        let (hosts, is_fetching) = (request.registries(), Cell::new(true));
        let registries = || {
            if is_fetching.get() {
                hosts.as_slice()
            } else {
                &[]
            }
        };
        let exit = self.run(&mut command, cancel, &registries, |_, line| {
            progress.line(line);
            is_fetching.set(progress.is_fetching());
        });
        let exit = exit.map_err(|error| broken_off("the builder", &error))?;
        let failure = progress.failure();
        if exit.status.success() {
            digest(&scratch)
        } else if exit.stopped {
            Err(BuildError::Cancelled)
        } else {
            Err(failure::build(&failure, steps))
        }
    }

    /// `docker-buildx build`, as the `docker` command would call it.
    fn buildx(&self, buildx: &Buildx, context: &str, job: &Job<'_>) -> (Command, Form) {
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
            // The daemon itself, whichever builder is current: other builders do not see its images (buildkit#2343).
            .args(["build", "--builder", context])
            .arg("--metadata-file")
            .arg(job.scratch.join(RESULT))
            .arg(match form {
                Form::Raw => "--progress=rawjson",
                Form::Plain => "--progress=plain",
            });
        if buildx.has_attestations() {
            // Attestations contain times, so the same image would get another digest with every build (moby#48391).
            command.args(["--provenance=false", "--sbom=false"]);
        }
        if std::env::var_os("GOGC").is_none() {
            // It runs for a single build: less garbage collection saves a fifth of its time.
            command.env("GOGC", "400");
        }
        (command, form)
    }

    /// `docker build` with the `BuildKit` included since 18.09.
    fn classic(&self, job: &Job<'_>) -> Result<Command, BuildError> {
        let mut command = self.docker().map_err(|_| NoEngine::no_program())?;
        process::keep_all(&mut command);
        command
            .env("DOCKER_BUILDKIT", "1")
            .args(["build", "--progress=plain", "--iidfile"])
            .arg(job.scratch.join(RESULT));
        Ok(command)
    }
}

fn arguments(request: &Request<'_>, command: &mut Command) {
    let job = request.job;
    command
        .args(request.names().flat_map(|name| ["--tag", name]))
        .args(job.no_cache.then_some("--no-cache"));
    // Values are passed through the environment, because command lines are visible to everyone.
    for (at, secret) in request.secrets.iter().enumerate() {
        let variable = format!("IMGSPEC_SECRET_{at}");
        let id = &secret.id;
        command.args(["--secret", &format!("id={id},env={variable}")]);
        command.env(variable, OsStr::from_bytes(&secret.value));
    }
    command.args(Described::new(job, &request.dockerfile).arguments(&job.scratch));
}

fn digest(scratch: &Dir) -> Result<String, BuildError> {
    let bytes = scratch.read(RESULT, LARGEST_RESULT).map_err(|error| {
        let why = system_words(&error);
        BuildError::Failed(format!("the builder's result cannot be read: {why}"))
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
            "the builder succeeded without reporting the image's digest".to_owned(),
        ))
    }
}
