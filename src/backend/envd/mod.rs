//! The `envd` backend: one `build.envd` per image, built by the `envd` command and finished by Docker's daemon.
//!
//! `docs/design/envd.md` describes how envd differs from other builders and how this backend deals with it: a private
//! HOME, bases under names that can be pulled, commands for everything that envd would reorder, and a configuration
//! that is not envd's.

mod base;
mod build;
mod config;
mod home;
mod layout;
mod offer;
mod path;
mod program;
mod progress;
mod quote;
mod render;
mod turn;

use std::path::Path;

use base::Build;
use home::Context;
pub use offer::REGISTRY;
use program::INSTALL;
pub use program::{CONTEXT, Envd};

use super::buildkit::attest;
use super::daemon::DOCKER;
use super::oci::store::Store;
use super::{
    Artifact, Availability, Backend, BuildError, COMPRESSION, Cancel, Claimant, CleanUp, Cleaned,
    Existence, Job, Memory, Notes, Outsider, Resolved, StoreKind, Unresolved, Unsupported, Wanted,
    context, refused_caches,
};
use crate::asking::Asker;
use crate::process;
use crate::recipe::Recipe;
use crate::spec::Base;

/// The oldest supported version of envd; flytekit's plugin requires it too.
const OLDEST: (u32, u32, u32) = (0, 3, 39);

/// The newest tested version.
const TRIED: &str = "1.3.6";

/// The remedy if the HOME directories cannot be set up.
const HOME: &str = "set IMGSPEC_CACHE to a writable directory, on a disk with room, and check that `envd context ls` works";

impl Envd {
    /// Queried in a private HOME: envd creates its files before it answers anything.
    fn version(&self, home: &Path, asker: Asker<'_>) -> Result<String, String> {
        let mut command = self.command(home).map_err(|error| error.to_string())?;
        let question = asker.ask("`envd version`", self.daemon.limits.answer());
        let said =
            process::ask(command.arg("version"), &question).map_err(|error| error.to_string())?;
        let version = said.out.lines().find_map(|line| {
            let (_, version) = line.split_once("envd: v")?;
            Some(version.trim().to_owned())
        });
        version.ok_or_else(|| "`envd version` reports no version".to_owned())
    }
}

fn missing(why: impl Into<String>, mend: impl Into<String>) -> Availability {
    Availability::Missing {
        why: why.into(),
        mend: mend.into(),
    }
}

/// Parses versions such as `1.3.6` into their three numbers.
fn numbers(version: &str) -> (u32, u32, u32) {
    let mut numbers = version
        .split(|each: char| !each.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

impl Backend for Envd {
    fn name(&self) -> &'static str {
        "envd"
    }

    fn priority(&self) -> u8 {
        1
    }

    fn is_there(&self) -> bool {
        self.program.is_some() && self.daemon.is_there()
    }

    /// Removes blobs of bases that were made available to envd, and their names; what another run uses stays.
    fn clean(&self, wish: &CleanUp, asker: Asker<'_>) -> Result<Cleaned, String> {
        if wish.dry_run {
            return Ok(Cleaned::default());
        }
        let pruned = Store::prune_at(&self.store).map_err(|error| error.to_string())?;
        let names = self.offer.clean(asker)?;
        Ok(Cleaned {
            names,
            blobs: pruned.unwrap_or(0),
            ..Cleaned::default()
        })
    }

    fn availability(&self, asker: Asker<'_>) -> Availability {
        if self.program.is_none() {
            return missing("there is no `envd` in PATH", INSTALL);
        }
        let home = match self.home(&Context::daemon(), None, asker) {
            Ok(home) => home,
            Err(why) => return missing(why.to_string(), HOME),
        };
        let version = match self.version(home.dir.path(), asker) {
            Ok(version) => version,
            Err(why) => return missing(format!("envd does not answer: {why}"), INSTALL),
        };
        if numbers(&version) < OLDEST {
            let why = format!("envd {version} is too old");
            return missing(why, "update it with `pip install --upgrade envd`");
        }
        if let Availability::Missing { why, mend } = self.daemon.availability(asker) {
            return missing(format!("envd builds with Docker, and {why}"), mend);
        }
        let context = match self.context(asker) {
            Ok(context) => context,
            Err((why, mend)) => return missing(why, mend),
        };
        let mut remarks = vec![context.words()];
        if numbers(&version) > numbers(TRIED) {
            remarks.push(format!("the newest tested version of envd is {TRIED}"));
        }
        Availability::Ready {
            versions: vec![("envd".to_owned(), version)],
            remarks,
        }
    }

    fn check(&self, recipe: &Recipe) -> Vec<Unsupported> {
        let (_, mut unsupported) = layout::lay_out(recipe);
        if recipe.config.compression.is_some() {
            unsupported.push(Unsupported {
                field: "compression".to_owned(),
                why: COMPRESSION.to_owned(),
            });
        }
        let wishes = &recipe.wishes;
        if self.wanted.is_none() && wishes.registry_config.is_some() && !wishes.is_lenient {
            unsupported.push(Unsupported {
                field: "registry-config".to_owned(),
                why: build::WRONG_BUILDKIT.to_owned(),
            });
        }
        unsupported.extend(attest::refused(
            wishes,
            "it makes its images of layers that BuildKit has left already",
        ));
        unsupported.extend(refused_caches(
            wishes,
            "its BuildKit keeps its steps itself",
        ));
        unsupported
    }

    /// Renders the base by its own reference; a build may use that of a registry which offers it for the build.
    fn render(&self, job: &Job<'_>, to: &Path) -> Result<(), BuildError> {
        let called = |id| job.bases.get(id).map_or(id, |base| base.reference.as_str());
        let base = match &job.recipe.base {
            Base::Image(id) => called(id),
            Base::Registry(reference) => reference,
            Base::File { .. } | Base::Debian(_) | Base::Scratch => "scratch",
        };
        let (layout, _) = layout::lay_out(job.recipe);
        let images = layout
            .taken
            .iter()
            .map(|taken| called(taken.image))
            .collect();
        let script = build::script(job, &layout, base, base, images, "/")?;
        render::stage(job, &script, &context::theirs(to)?)
    }

    fn script(&self) -> &'static str {
        render::FILE
    }

    fn exists(&self, wanted: &[Wanted<'_>], asker: Asker<'_>) -> Vec<Existence> {
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
        self.daemon.foreign(wanted, asker)
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

    /// Its images are where they are built.
    fn load(&self, _: &Artifact, _: Asker<'_>) -> Result<&'static str, BuildError> {
        Ok(DOCKER)
    }

    fn build(
        &self,
        job: &Job<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<Artifact, BuildError> {
        let asker = Asker::build(notes, cancel);
        let envd = self;
        let built = Build { envd, job, asker }.run();
        context::drop_scratch(job);
        built
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

#[cfg(test)]
mod tests;
