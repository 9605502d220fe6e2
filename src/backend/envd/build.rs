//! A single build: makes the base available, runs envd, and replaces the result's configuration through Docker's
//! daemon.
//!
//! envd's result has a private name until everything has succeeded; its configuration and reference are set by one more
//! solve over the same layers, in the daemon that has them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::base::{Build, KnownBase};
use super::home::Context;
use super::layout::{Layout, lay_out};
use super::progress::Reader;
use super::render::{LONGEST_LIST, Script, ScriptInput, render, stage};
use super::{config, turn};
use crate::asking::Asker;
use crate::backend::buildkit::failure;
use crate::backend::daemon::broken_off;
use crate::backend::labels::base_digest;
use crate::backend::{Artifact, Backend, BuildError, Job, context, labels, pinned};
use crate::notes::Quiet;
use crate::recipe::{Pip, Recipe};
use crate::spec::Base;

/// Why a `registry-config` has no effect on other builders.
pub(super) const WRONG_BUILDKIT: &str = "it applies only to a BuildKit that envd starts itself; others have their own registry configuration (the daemon's daemon.json, \
     buildkitd.toml): change it there, or choose a context of type `docker-container` with `--envd-context`";

/// The id of envd's result in the recipe that sets its configuration.
const RESULT: &str = "envd's result";

impl Build<'_> {
    pub(super) fn run(&self) -> Result<Artifact, BuildError> {
        let (envd, job, asker) = (self.envd, self.job, self.asker);
        envd.daemon.ready(asker)?;
        let context = envd
            .context(asker)
            .map_err(|(why, mend)| BuildError::Failed(format!("{why}: {mend}")))?;
        let registries = registries(job, &context)?;
        let home = envd.home(&context, registries.as_deref(), asker)?;
        let (mut layout, _) = lay_out(job.recipe);
        if job.no_cache {
            self.disable_cache(&mut layout);
        }
        let base = self.base()?;
        if asker.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        let images = layout.taken.iter();
        let images = images.map(|taken| Ok(self.pullable(taken.image)?.0));
        let images = images.collect::<Result<Vec<String>, BuildError>>()?;
        let script = script(
            job,
            &layout,
            &base.name,
            &base.words,
            images.iter().map(String::as_str).collect(),
            config::working_folder(&base.image),
        )?;
        // envd uses the directory's name in the image and in the names of its caches.
        let folder = context::scratch(job)?
            .make_all(job.image)
            .map_err(context::unwritten)?;
        stage(job, &script, &folder)?;
        let name = envd.daemon.private_name();
        let turn = if layout.apt.is_empty() {
            None
        } else {
            turn::wait(&home, job.image, asker)?
        };
        self.call(home.dir.path(), folder.path(), &name, &script)?;
        drop(turn);
        self.finish(&base, &name)
    }

    /// Makes every step run again. envd has no option for that, so a variable unique to this build is set, which does
    /// not end up in the finished image. Where the image would retain it, only commands receive it.
    fn disable_cache(&self, layout: &mut Layout<'_>) {
        let nonce = ("IMGSPEC_BUILD".to_owned(), self.envd.daemon.private_name());
        if self.envd.daemon.is_direct() {
            layout.environment.push(nonce);
        } else {
            for command in &mut layout.commands {
                command.variables.push(nonce.clone());
            }
        }
    }

    fn call(
        &self,
        home: &Path,
        folder: &Path,
        name: &str,
        script: &Script,
    ) -> Result<(), BuildError> {
        let platforms = self.job.recipe.platforms.join(",");
        let mut command = self.envd.command(home)?;
        command
            .args(["build", "--tag", name, "--platform", &platforms])
            // envd's own change detection is useless here: it does not look at what the image is made of.
            .arg("--force")
            .arg("--path")
            .arg(folder);
        let mut reader = Reader::new(&script.steps, self.asker.notes());
        let exit = self
            .envd
            .daemon
            .follow(&mut command, self.asker.cancel(), |stream, line| {
                reader.line(stream, line);
            })
            .map_err(|error| broken_off("envd", &error))?;
        if exit.stopped || self.asker.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        if exit.status.success() {
            return Ok(());
        }
        let failed = failure::build(&reader.failure(), &script.steps.names);
        Err(self.envd.offer.unreached(failed))
    }

    /// Sets the result's configuration, labels and finally its reference. No layer is touched.
    fn finish(&self, base: &KnownBase, name: &str) -> Result<Artifact, BuildError> {
        let (daemon, job, asker) = (&self.envd.daemon, self.job, self.asker);
        let lost = || "envd succeeded, but its image is not in the local store".to_owned();
        let built = daemon.image(name, asker)?;
        let built = built.ok_or_else(|| BuildError::Failed(lost()))?;
        daemon.pin(&built, name);
        let mut own = vec![
            (labels::KEY, job.key.to_string()),
            (labels::IMAGE, job.image.to_owned()),
            (labels::BASE, base.reference.clone()),
        ];
        let digest = base_digest(job).map(str::to_owned);
        own.extend(digest.map(|digest| (labels::BASE_DIGEST, digest)));
        let config = config::config(job.recipe, &base.image, &own);
        let recipe = Recipe {
            platforms: job.recipe.platforms.clone(),
            base: Base::Image(RESULT.to_owned()),
            ..config::as_recipe(&config, &built)
        };
        let result = Artifact {
            backend: self.envd.name().to_owned(),
            reference: base.reference.clone(),
            digest: built.id,
            size: None,
        };
        let labelled = Job {
            recipe: &recipe,
            files: &[],
            bases: BTreeMap::from([(RESULT.to_owned(), result)]),
            ..job.clone()
        };
        let quiet = Quiet(asker.notes());
        let (digest, size) = daemon.build(
            &labelled,
            Some(&config),
            Asker::build(&quiet, asker.cancel()),
        )?;
        Ok(job.artifact(self.envd.name(), digest, size))
    }
}

pub(super) fn script(
    job: &Job<'_>,
    layout: &Layout<'_>,
    base: &str,
    base_words: &str,
    images: Vec<&str>,
    folder: &str,
) -> Result<Script, BuildError> {
    let files = job.files.iter().map(AsRef::as_ref).collect();
    let pips = job.recipe.pips().map(|(pip, _)| pip);
    let locked = pips.zip(pinned::of_job(job)?);
    let locked: Vec<(&Pip, Vec<String>)> = locked
        .filter_map(|(pip, lines)| Some((pip, lines?)))
        .collect();
    let size = |lines: &[String]| lines.iter().map(String::len).sum::<usize>();
    if locked.iter().any(|(_, lines)| size(lines) > LONGEST_LIST) {
        return Err(BuildError::Failed(format!(
            "`{}` has more locked packages than fit into one of envd's commands; build it with `docker`",
            job.image
        )));
    }
    Ok(render(&ScriptInput {
        image: job.image,
        layout,
        files,
        images,
        base,
        base_words,
        folder,
        config: &job.recipe.config,
        pinned: &locked,
    }))
}

/// The `registry-config` file, if any: envd passes it only to a `BuildKit` that it starts itself.
fn registries(job: &Job<'_>, context: &Context) -> Result<Option<PathBuf>, BuildError> {
    let wishes = &job.recipe.wishes;
    let Some(file) = &wishes.registry_config else {
        return Ok(None);
    };
    if context.is_started() {
        return Ok(Some(file.under(job.root)));
    }
    if wishes.is_lenient {
        return Ok(None);
    }
    let context = context.words();
    Err(BuildError::Failed(format!(
        "`registry-config`: {WRONG_BUILDKIT} ({context})"
    )))
}
