//! A build of a Dockerfile as Docker's commands describe it: everything but the files.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::stage::{CONTEXT, DOCKERFILE, named_context};
use super::{Dockerfile, quote};
use crate::backend::Job;
use crate::backend::buildkit::caches::Caches;
use crate::backend::buildkit::{attest, options};
use crate::recipe::StepSecret;

/// A build of a Dockerfile whose files have been written, as `docker build` and bake files describe it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Described {
    /// The stage to build; `None` means the last.
    pub target: Option<String>,
    /// Platforms, such as `linux/amd64`.
    pub platforms: Vec<String>,
    /// Build arguments.
    pub args: Vec<(String, String)>,
    /// Labels that the Dockerfile does not set itself.
    pub labels: Vec<(String, String)>,
    /// Named contexts that are images, with the images' references.
    pub images: Vec<(String, String)>,
    /// Named contexts that are directories, with their names beside the Dockerfile.
    pub directories: Vec<(String, String)>,
    /// Build options, named as in `docker build`, with valid values.
    pub options: Vec<(String, String)>,
    /// The caches in registries that it reads, as buildx describes them.
    pub cache_from: Vec<String>,
    /// The caches in registries that it writes.
    pub cache_to: Vec<String>,
    /// The attestations that it makes, as buildx describes them.
    pub attest: Vec<String>,
    /// The secrets that its steps receive.
    pub secrets: Vec<StepSecret>,
}

impl Described {
    /// The name of the Dockerfile in the directory of the build.
    pub const DOCKERFILE: &str = DOCKERFILE;

    /// The name of the context in the directory of the build.
    pub const CONTEXT: &str = CONTEXT;

    pub(crate) fn new(job: &Job<'_>, dockerfile: &Dockerfile) -> Self {
        let newline = dockerfile.newline.then_some((quote::NEWLINE, "\n"));
        let newline = newline.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let own = dockerfile.own.clone().unwrap_or_default();
        let caches = Caches::of(job);
        let named = |(name, _): (String, usize)| {
            let directory = named_context(&name);
            (name, directory)
        };
        Self {
            target: own.target,
            platforms: job.recipe.platforms.clone(),
            args: newline.into_iter().chain(own.args).collect(),
            labels: own.labels,
            images: own.images,
            directories: own.folders.into_iter().map(named).collect(),
            options: job.recipe.wishes.options.clone(),
            cache_from: caches.reads().collect(),
            cache_to: caches.writes().collect(),
            attest: attest::described(&job.recipe.wishes),
            secrets: job.recipe.secrets.clone(),
        }
    }

    /// The arguments of `docker build` for everything but names and secrets; `directory` is where its files are.
    pub fn arguments(&self, directory: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["--platform".into(), self.platforms.join(",").into()];
        let mut add = |option: &str, name: &str, value: &OsStr| {
            let mut pair = OsString::from(format!("{name}="));
            pair.push(value);
            words.extend([option.into(), pair]);
        };
        for (name, value) in &self.args {
            add("--build-arg", name, value.as_ref());
        }
        for (name, value) in &self.labels {
            add("--label", name, value.as_ref());
        }
        for (name, image) in &self.images {
            add(
                "--build-context",
                name,
                format!("docker-image://{image}").as_ref(),
            );
        }
        for (name, below) in &self.directories {
            add("--build-context", name, directory.join(below).as_os_str());
        }
        if let Some(target) = &self.target {
            words.extend(["--target".into(), target.into()]);
        }
        for (name, value) in &self.options {
            words.extend(
                options::arguments(name, value)
                    .into_iter()
                    .map(OsString::from),
            );
        }
        for cache in &self.cache_from {
            words.extend(["--cache-from".into(), cache.into()]);
        }
        for cache in &self.cache_to {
            words.extend(["--cache-to".into(), cache.into()]);
        }
        for attestation in &self.attest {
            words.extend(["--attest".into(), attestation.into()]);
        }
        words.extend(["--file".into(), directory.join(DOCKERFILE).into()]);
        words.push(directory.join(CONTEXT).into());
        words
    }
}
