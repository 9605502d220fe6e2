//! Builds through a command line: `docker-buildx build`, or `docker build` before buildx.
//!
//! The exit code decides; the digest comes from a file that the command writes.

use std::cell::Cell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use super::engine::{Buildx, EngineInfo, NoEngine};
use super::{Daemon, broken_off};
use crate::backend::buildkit::progress::{Form, Progress};
use crate::backend::buildkit::request::Request;
use crate::backend::buildkit::{attest, failure};
use crate::backend::dockerfile::Described;
use crate::backend::dockerfile::stage::stage;
use crate::backend::oci::name::Digest;
use crate::backend::{BuildError, Job, context};
use crate::disk::dir::Dir;
use crate::disk::system_words;
use crate::process;

/// The file to which the command writes its result.
const RESULT: &str = "result";

const LARGEST_RESULT: u64 = 16 << 20;

/// Whether there is hope for a silent build that uses these registries.
type Lives<'a> = &'a dyn Fn(&[String]) -> Result<(), String>;

/// Which builder of buildx builds, and what becomes of the result.
#[derive(Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) builder: &'a str,
    /// What it is told about the result.
    pub(super) output: &'a [&'a str],
    /// Names for `FROM` that mean OCI layouts in directories of these names, with the images' digests.
    pub(super) layouts: &'a [(String, Digest)],
}

impl Daemon {
    pub(super) fn by_programs(
        &self,
        info: &EngineInfo,
        request: &Request<'_>,
    ) -> Result<String, BuildError> {
        let scratch = context::scratch(request.job)?;
        let wish = Wish {
            // The daemon itself: whatever other builder builds is told apart elsewhere.
            builder: &info.context,
            output: &[],
            layouts: &[],
        };
        let (command, form) = match &info.buildx {
            Some(buildx) => self.buildx(buildx, wish, request.job),
            None => (self.classic(request.job)?, Form::Plain),
        };
        let cancel = request.cancel;
        let lives = |registries: &[String]| self.check_alive(registries, cancel);
        self.carry_out((command, form), wish, request, (&scratch, &lives))
    }

    /// Runs a build as long as `lives` gives hope, given the registries in use.
    pub(super) fn carry_out(
        &self,
        (mut command, form): (Command, Form),
        wish: Wish<'_>,
        request: &Request<'_>,
        (scratch, lives): (&Dir, Lives<'_>),
    ) -> Result<String, BuildError> {
        stage(request.job, &request.dockerfile, scratch)?;
        arguments(request, wish, &mut command);
        let steps = &request.dockerfile.steps;
        let mut progress = Progress::new(form, steps, request.notes);
        let (hosts, is_fetching) = (request.registries(), Cell::new(true));
        let hope = || lives(if is_fetching.get() { &hosts } else { &[] });
        let exit = self.run_while(&hope, &mut command, request.cancel, |_, line| {
            progress.line(line);
            is_fetching.set(progress.is_fetching());
        });
        let exit = exit.map_err(|error| broken_off("the builder", &error))?;
        let failure = progress.failure();
        if exit.status.success() {
            digest(scratch)
        } else if exit.stopped {
            Err(BuildError::Cancelled)
        } else {
            Err(failure::build(&failure, steps))
        }
    }

    /// `docker-buildx build`, as the `docker` command would call it.
    pub(super) fn buildx(&self, buildx: &Buildx, wish: Wish<'_>, job: &Job<'_>) -> (Command, Form) {
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
            .args(buildx.head)
            .args(["build", "--builder", wish.builder])
            .args(wish.output)
            .arg("--metadata-file")
            .arg(job.scratch.join(RESULT))
            .arg(match form {
                Form::Raw => "--progress=rawjson",
                Form::Plain => "--progress=plain",
            });
        if buildx.has_attestations() {
            // Attestations contain times, so the same image would get another digest with every build (moby#48391):
            // none is made that nobody asked for.
            let unasked = attest::unasked(&job.recipe.wishes);
            command.args(unasked.map(|kind| format!("--{kind}=false")));
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

fn arguments(request: &Request<'_>, wish: Wish<'_>, command: &mut Command) {
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
    if !wish.layouts.is_empty() {
        // By relative paths: buildx takes the first `@` of a path for the start of the digest.
        command.current_dir(&job.scratch);
    }
    let mut described = Described::new(job, &request.dockerfile);
    for (name, digest) in wish.layouts {
        let mut add = |context: &str| {
            let layout = format!("{context}=oci-layout://{name}@{digest}");
            command.args(["--build-context", &layout]);
        };
        add(name);
        // A Dockerfile of the user's has other names for it, which would not be looked up a second time.
        let own = described.images.extract_if(.., |(_, image)| image == name);
        own.for_each(|(own, _)| add(&own));
    }
    command.args(described.arguments(&job.scratch));
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
