//! A build from the job to its outcome: the request, the way it is made, and the interpretation of its end; and pushes.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;

use super::engine::NoEngine;
use super::{Daemon, inspect, locked};
use crate::asking::Asker;
use crate::backend::buildkit::request::{Request, Touch};
use crate::backend::buildkit::{BuildKit, Ended, failure};
use crate::backend::dockerfile::{self, Called, Dockerfile};
use crate::backend::oci::reference::Reference;
use crate::backend::secret::{self, Discreet, Hider, Revealed};
use crate::backend::{BuildError, Existence, Job, OTHER_IMAGE, StoreKind, Wanted};
use crate::process::{self, Stream};

impl Daemon {
    /// Builds the Dockerfile of a job's recipe and returns the digest of the result, and its size if the daemon says it. With `config` (an OCI image
    /// configuration, as JSON), the result is the recipe's base with that configuration; a daemon that is reached only
    /// through Docker's commands ignores it, so the recipe must express the same.
    ///
    /// # Errors
    ///
    /// Fails if the build fails; the job's reference then names nothing new.
    pub(crate) fn build(
        &self,
        job: &Job<'_>,
        config: Option<&str>,
        asker: Asker<'_>,
    ) -> Result<(String, Option<u64>), BuildError> {
        let engine = self.engine(asker)?;
        if job.recipe.platforms.len() > 1 && !engine.info.containerd_store {
            return Err(one_platform(job));
        }
        let job = &Job {
            no_cache: job.no_cache || self.races.is_stuck(job.image),
            ..job.clone()
        };
        let called = Called {
            parents: self.parents(job, asker)?,
            locked: self.locked(job, asker)?,
        };
        let base = called.parents.values().next();
        let touch = config.zip(base);
        let pin = job.is_base.then(|| self.pins.next());
        let built = self.requested(job, &called, asker, |request| {
            let request = Request {
                pin: pin.clone(),
                touch: touch.map(|(config, image)| Touch { image, config }),
                ..request
            };
            match &engine.buildkit {
                Some(buildkit) => self.by_buildkit(buildkit, &request),
                None => self.by_programs(&engine.info, &request),
            }
        });
        if let Err(error) = &built
            && self.unpins(error, job)
        {
            return self.build(job, config, asker);
        }
        let digest = built?;
        if let Some(pin) = &pin {
            self.pins.note(&digest, pin);
        }
        let size = self.is_for(job, asker)?;
        Ok((digest, size))
    }

    /// Makes the request for a job, in whose Dockerfile images are called so, and hands it to `send`, whichever `BuildKit` that
    /// asks. Secrets are kept out of what it reports, and its failures are explained.
    pub(in crate::backend) fn requested<T>(
        &self,
        job: &Job<'_>,
        called: &Called,
        asker: Asker<'_>,
        send: impl FnOnce(Request<'_>) -> Result<T, BuildError>,
    ) -> Result<T, BuildError> {
        let dockerfile = dockerfile::of_job(job, called)?;
        let secrets = self.secrets(job, &dockerfile)?;
        let hider = Hider::new(&secrets);
        let notes = Discreet {
            notes: asker.notes(),
            hider: &hider,
        };
        if asker.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        let built = send(Request {
            job,
            dockerfile,
            pin: None,
            secrets,
            touch: None,
            is_nameless: false,
            notes: &notes,
            cancel: asker.cancel(),
        });
        built.map_err(|error| {
            if failure::is_race(&error) {
                self.races.note(job.image);
            }
            self.explain_lent(locked::explained(hider.hide_error(error), job))
        })
    }

    /// Checks that the result declares the wanted platform; otherwise its name is removed. `BuildKit` up to 0.13 labels
    /// every result as wanted, so bases are checked beforehand as well. Returns the result's size.
    fn is_for(&self, job: &Job<'_>, asker: Asker<'_>) -> Result<Option<u64>, BuildError> {
        let wanted = Wanted {
            reference: job.reference,
            place: StoreKind::Local,
            platforms: &job.recipe.platforms,
        };
        let found = self.exists(&[wanted], asker).into_iter().next();
        let missing = match found {
            Some(Existence::Incomplete { missing }) => missing,
            Some(Existence::Present { size, .. }) => return Ok(size),
            _ => return Ok(None),
        };
        self.forget(job.reference);
        Err(not_for(&missing))
    }

    /// The secrets for steps: the image's, and the download sources of Python.
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

    /// The names for `FROM` of the workspace images that a job needs, by id.
    fn parents(
        &self,
        job: &Job<'_>,
        asker: Asker<'_>,
    ) -> Result<BTreeMap<String, String>, BuildError> {
        let pinned = |id: &str| {
            let base = job.base(id)?;
            let name = match self.lent(base, asker)? {
                Some(name) => name,
                None => self.pinned(id, base, asker)?,
            };
            Ok((id.to_owned(), name))
        };
        job.recipe.images().map(pinned).collect()
    }

    fn by_buildkit(
        &self,
        buildkit: &BuildKit,
        request: &Request<'_>,
    ) -> Result<String, BuildError> {
        let ended = buildkit.build(request);
        let is_lost = matches!(ended, Err(Ended::Lost(_) | Ended::Stuck(_)));
        self.is_lost.store(is_lost, Ordering::Relaxed);
        ended.map_err(|ended| match ended {
            Ended::Lost(why) => {
                BuildError::Transient(NoEngine::unreached(&self.whom(), &why).sentence())
            }
            Ended::Stuck(why) => BuildError::Transient(why),
            Ended::Error(error) => error,
        })
    }

    /// Pushes the image of a job under this name. Returns the digest under which the registry stored it, if docker reports it.
    ///
    /// Docker pushes whatever a name leads to, and another checkout may give a tag without a hash to an image of its own
    /// at any time: what would be recorded as pushed would be another image.
    pub(crate) fn push(
        &self,
        job: &Job<'_>,
        name: &str,
        digest: &str,
        asker: Asker<'_>,
    ) -> Result<Option<String>, BuildError> {
        if !self.leads_to(name, job, asker)? {
            // Containerd's store has let go of an image that lost its last name.
            let taken =
                |why| format!("`{name}` is the name of another image by now: {why}; run it again");
            self.name(digest, name, asker)
                .map_err(|error| error.reworded(taken))?;
        }
        let pushed = self.push_name(name, asker)?;
        if self.leads_to(name, job, asker)? {
            return Ok(pushed);
        }
        Err(BuildError::Transient(format!(
            "`{name}` became the name of another image while it was pushed: do not build the same name in two places at once"
        )))
    }

    /// Whether a name of the local store is one of this job's image.
    fn leads_to(&self, name: &str, job: &Job<'_>, asker: Asker<'_>) -> Result<bool, BuildError> {
        let wanted = Wanted {
            reference: name,
            place: StoreKind::Local,
            platforms: &job.recipe.platforms,
        };
        match self.exists(&[wanted], asker).into_iter().next() {
            Some(Existence::Unknown { why }) => Err(BuildError::Transient(why)),
            found => Ok(found.is_some_and(|found| found.has(job.key))),
        }
    }

    pub(crate) fn push_name(
        &self,
        reference: &str,
        asker: Asker<'_>,
    ) -> Result<Option<String>, BuildError> {
        asker.step("pushing");
        let mut digest = None;
        let last = self.transfer(&["push"], reference, asker, |line| {
            digest = inspect::pushed(line).or(digest.take());
        })?;
        match last {
            None => Ok(digest),
            Some(last) => Err(failure::push(reference, &last)),
        }
    }

    /// Pulls an image into the local store, for this platform if one is said.
    pub(super) fn pull(
        &self,
        reference: &str,
        platform: Option<&str>,
        asker: Asker<'_>,
    ) -> Result<(), BuildError> {
        let platform = platform.map(|platform| format!("--platform={platform}"));
        let how = ["pull"].into_iter().chain(platform.as_deref());
        match self.transfer(&how.collect::<Vec<_>>(), reference, asker, |_| {})? {
            None => Ok(()),
            Some(last) => Err(failure::pull(reference, &last)),
        }
    }

    /// Pulls the image of a job by its reference, for all of its platforms, and checks that it has the job's key: a tag may have
    /// become another image's. Returns its digest in the local store and its size.
    pub(crate) fn pull_checked(
        &self,
        job: &Job<'_>,
        asker: Asker<'_>,
    ) -> Result<(String, Option<u64>), BuildError> {
        let platforms = &job.recipe.platforms;
        asker.step("pulling");
        for platform in platforms {
            self.pull(job.reference, Some(platform), asker)?;
        }
        if platforms.is_empty() {
            self.pull(job.reference, None, asker)?;
        }
        let wanted = Wanted {
            reference: job.reference,
            place: StoreKind::Local,
            platforms,
        };
        let found = self.exists(&[wanted], asker).into_iter().next();
        match &found {
            Some(image @ Existence::Present { digest, size, .. }) if image.has(job.key) => {
                Ok((digest.clone(), *size))
            }
            Some(Existence::Unknown { why }) => Err(BuildError::Transient(why.clone())),
            Some(Existence::Incomplete { missing }) => Err(BuildError::Failed(format!(
                "the registry has it, but not for {}",
                missing.join(" and ")
            ))),
            _ => Err(BuildError::Failed(OTHER_IMAGE.to_owned())),
        }
    }

    /// Runs `docker image push` or `pull`. Returns the last line that tells of a failure.
    fn transfer(
        &self,
        how: &[&str],
        reference: &str,
        asker: Asker<'_>,
        mut hear: impl FnMut(&str),
    ) -> Result<Option<String>, BuildError> {
        if self.program.is_none() {
            return Err(NoEngine::no_program().into());
        }
        let (notes, cancel) = (asker.notes(), asker.cancel());
        // Errors are reported on standard error; the two streams arrive in any order.
        let mut last = String::new();
        let registry = Reference::read(reference).map(|read| read.host);
        let mut command = self
            .docker()
            .map_err(|error| broken_off("docker", &error))?;
        let arguments = [&["image"], how, &["--", reference][..]].concat();
        process::keep_all(command.args(arguments));
        let exit = self
            .run(
                &mut command,
                cancel,
                &|| registry.as_slice(),
                |stream, line| {
                    notes.log(line);
                    hear(line);
                    let is_telling = stream == Stream::Err || last.is_empty();
                    if is_telling && !line.trim().is_empty() {
                        line.clone_into(&mut last);
                    }
                },
            )
            .map_err(|error| broken_off("docker", &error))?;
        if exit.status.success() {
            Ok(None)
        } else if exit.stopped {
            Err(BuildError::Cancelled)
        } else {
            Ok(Some(last))
        }
    }
}

impl From<NoEngine> for BuildError {
    fn from(none: NoEngine) -> Self {
        Self::of(format!("{}: {}", none.why, none.mend), none.passing)
    }
}

/// Converts the reason why a command did not run to its end.
pub(crate) fn broken_off(what: &str, error: &io::Error) -> BuildError {
    match error.kind() {
        io::ErrorKind::TimedOut => BuildError::Transient(error.to_string()),
        io::ErrorKind::Interrupted => BuildError::Cancelled,
        _ => BuildError::Failed(format!("{what} cannot be started: {error}")),
    }
}

/// The error for a result that lacks platforms.
pub(crate) fn not_for(missing: &[String]) -> BuildError {
    BuildError::Failed(format!(
        "the result is not for {}: an image it is made of is for another platform",
        missing.join(" and ")
    ))
}

pub(super) fn one_platform(job: &Job<'_>) -> BuildError {
    BuildError::Failed(format!(
        "Docker's classic image store supports only one platform per image, but this one is for {}: switch the daemon to the \
         containerd image store (`\"features\": {{\"containerd-snapshotter\": true}}` in daemon.json), or choose a single platform",
        job.recipe.platforms.join(" and ")
    ))
}
