//! Builds or pushes one image: retries, log, record.
//!
//! The record is written here, right after the image is tagged, so that a success is recorded whatever happens to the
//! run.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::attempts::Attempts;
use super::claims::{Claims, Left, Turn, Watched};
use super::event::Event;
use super::log::{Emit, JobError, Log};
use super::memory::{Pushing, Records, built_by};
use crate::backend::{Artifact, Backend, BuildError, Job, Notes, StoreKind, waiting};
use crate::cancel::Cancel;
use crate::disk::system_words;
use crate::fingerprint::Key;
use crate::graph::ImageId;
use crate::recipe::Recipe;
use crate::store::{Record, RecordState, SCHEMA, Store};
use crate::world::View;

/// How long to wait, after an interrupt, for other runs to finish writing; longer than a write takes.
const RECORDING: Duration = Duration::from_secs(2);

/// Everything a worker needs to build or push one image. Owns its data, because the engine may switch to another view
/// before the work ends.
pub(super) struct Work {
    pub(super) view: Arc<View>,
    pub(super) id: ImageId,
    pub(super) is: Identity,
    pub(super) bases: BTreeMap<String, Artifact>,
    /// The record at planning time: another run may have built the image since.
    pub(super) planned_on: Option<Box<Record>>,
    /// Build without the builder's cache, because of `--force`.
    pub(super) no_cache: bool,
    /// Whether images that this run builds need it.
    pub(super) is_base: bool,
    /// Maximum number of attempts, at least 1.
    pub(super) attempts: u32,
    pub(super) task: Task,
    /// The further names to give, each with the place.
    pub(super) names: Vec<(String, StoreKind)>,
    /// The claims of the run; `None` if nobody else builds this image.
    pub(super) claims: Option<Arc<Claims>>,
    /// Why another runner, to which the image was left, is no longer waited for.
    pub(super) left: Option<Left>,
    pub(super) store: Store,
    /// Where records of pushed images are left.
    pub(super) records: Arc<Records>,
    pub(super) emit: Emit,
    pub(super) cancel: Cancel,
}

/// What a worker does about an image.
pub(super) enum Task {
    Build,
    /// Pushes the artifact.
    Push(Artifact),
    /// Gives the artifact its further names.
    Tag(Artifact),
}

/// A [`Task`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskKind {
    Build,
    Push,
    Tag,
}

impl Task {
    pub(super) fn kind(&self) -> TaskKind {
        match self {
            Self::Build => TaskKind::Build,
            Self::Push(_) => TaskKind::Push,
            Self::Tag(_) => TaskKind::Tag,
        }
    }
}

/// An image version: a failure recorded for one identity says nothing about another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) key: Key,
    pub(crate) reference: String,
    /// The name of its builder.
    pub(crate) backend: String,
    pub(crate) bases: Vec<String>,
}

impl Identity {
    /// Whether the same image is asked for; it may be on bases that were built again.
    pub(super) fn is_same_image(&self, other: &Self) -> bool {
        (&self.key, &self.reference, &self.backend)
            == (&other.key, &other.reference, &other.backend)
    }
}

pub(crate) struct Built {
    pub(crate) artifact: Artifact,
    /// `None` if the record could not be written.
    pub(crate) record: Option<Box<Record>>,
    /// Where it was found, if another run built it meanwhile: in the local store if that works in the same workspace.
    pub(crate) found: Option<StoreKind>,
}

pub(super) enum Done {
    Built(Built),
    /// Another runner is building it.
    Postponed(Box<Watched>),
    /// With the image's digest in the registry, if known.
    Pushed(Option<String>),
    /// It has its further names.
    Tagged,
}

impl Work {
    /// Builds or pushes the image. Also returns the duration in seconds.
    pub(super) fn carry_out(&self) -> (Result<Done, JobError>, f64) {
        let started = Instant::now();
        let result = guarded(|| match &self.task {
            Task::Build => self.build_in_turn(),
            Task::Push(artifact) => self.push(artifact).map(Done::Pushed),
            Task::Tag(artifact) => {
                let log = self.log(&format!("{}.tag", self.image()))?;
                self.give_names(artifact, &log).map(|()| Done::Tagged)
            }
        });
        // The claim on an image that this run built lasts until it is pushed.
        let is_kept = matches!(&result, Ok(Done::Built(built)) if built.found.is_none());
        if let Some(claims) = self.claims.as_ref().filter(|_| !is_kept) {
            claims.release(self.image());
        }
        (result, started.elapsed().as_secs_f64())
    }

    pub(super) fn image(&self) -> &str {
        self.view.name(self.id)
    }

    fn recipe(&self) -> &Recipe {
        &self.view.world.recipes[self.id.index()]
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.view.world.backends[self.id.index()]
    }

    fn push(&self, artifact: &Artifact) -> Result<Option<String>, JobError> {
        let log = self.log(&format!("{}.push", self.image()))?;
        let reference = self.view.reference(self.id);
        let pushing = Pushing {
            view: &self.view,
            id: self.id,
            key: &self.is.key,
            store: &self.store,
        };
        let mut leaving = self.records.of(&pushing, &self.cancel);
        let pushed = thread::scope(|scope| {
            if let Some(leaving) = leaving.as_mut().filter(|_| self.backend().is_store_own()) {
                // The registry will call the image what its own builder calls it.
                scope.spawn(|| leaving.prepare(&artifact.digest));
            }
            self.try_often(&reference, &log, |job, notes| {
                self.backend().push(job, artifact, notes, &self.cancel)
            })
        })?;
        self.give_names(artifact, &log)?;
        let left = leaving.map(|leaving| leaving.finish(pushed.as_deref(), &log));
        if let Some(Err(message)) = left {
            (self.emit)(Event::Warning { message });
        }
        Ok(pushed)
    }

    fn log(&self, name: &str) -> Result<Log<'_>, JobError> {
        Log::open(&self.store, self.image(), name, &self.emit)
    }

    /// Builds the image while holding its lock, and its claim where runners claim images. If others held them, the work may
    /// already be done.
    fn build_in_turn(&self) -> Result<Done, JobError> {
        let waiting = self.waiting("waiting for another run that is building it");
        let lock = self.store.lock_image(self.image(), waiting);
        let _turn = lock
            .map_err(|error| {
                JobError::failed(format!("cannot take its lock: {}", system_words(&error)))
            })?
            .ok_or_else(cancelled)?;
        if let Some(record) = self.built_meanwhile() {
            let log = self.log(&format!("{}.tag", self.image()))?;
            self.give_names(&record.artifact, &log)?;
            return Ok(Done::Built(Built {
                artifact: record.artifact.clone(),
                record: Some(record),
                found: Some(StoreKind::Local),
            }));
        }
        match self.claim()? {
            Turn::Own => {}
            Turn::Other(watched) => return Ok(Done::Postponed(Box::new(watched))),
            Turn::Built(artifact) => {
                return Ok(Done::Built(Built {
                    artifact,
                    record: None,
                    found: Some(StoreKind::Registry),
                }));
            }
        }
        let log = self.log(self.image())?;
        let started = Instant::now();
        let reference = self.view.reference(self.id);
        let artifact = self.try_often(&reference, &log, |job, notes| {
            self.backend().build(job, notes, &self.cancel)
        })?;
        let record = self.record(&artifact, started.elapsed().as_secs_f64());
        // The image is built whatever becomes of its names: the next run only gives these.
        self.give_names(&artifact, &log)?;
        Ok(Done::Built(Built {
            artifact,
            record,
            found: None,
        }))
    }

    /// Gives an image that exists its further names.
    fn give_names(&self, artifact: &Artifact, log: &Log<'_>) -> Result<(), JobError> {
        for (name, place) in &self.names {
            self.try_often(name, log, |job, notes| {
                let backend = self.backend();
                let given = backend.also_name(job, artifact, *place, notes, &self.cancel);
                given.map_err(|error| {
                    error.reworded(|why| format!("the name `{name}` could not be given: {why}"))
                })
            })?;
        }
        Ok(())
    }

    /// Reports an activity that is not a step of the builder.
    pub(super) fn step(&self, what: &str) {
        (self.emit)(Event::ImageStep {
            image: self.image().to_owned(),
            step: 0,
            of: 0,
            name: what.to_owned(),
        });
    }

    /// Returns a poll callback that breaks on an interrupt, and reports what is waited for if that takes long.
    fn waiting(&self, what: &str) -> impl FnMut() -> ControlFlow<()> {
        waiting(&self.cancel, move || self.step(what))
    }

    /// Like [`Self::waiting`], for writing the record of a finished build: an interrupt gives up only if another run
    /// keeps writing.
    fn recording(&self) -> impl FnMut() -> ControlFlow<()> {
        let mut waiting = self.waiting("waiting for another run that is writing its records");
        let mut asked: Option<Instant> = None;
        move || {
            if waiting().is_continue() {
                return ControlFlow::Continue(());
            }
            let asked = asked.get_or_insert_with(Instant::now);
            if self.cancel.is_urgent() || asked.elapsed() > RECORDING {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        }
    }

    /// The record of another run that built from the same inputs and bases after this run was planned. It counts only if this run has
    /// the image too: another builder, or another daemon, has stores of its own.
    fn built_meanwhile(&self) -> Option<Box<Record>> {
        let RecordState::Found(record) = self.store.read(self.image()) else {
            return None;
        };
        let bases_are_ours = self
            .bases
            .iter()
            .all(|(name, base)| record.base(name) == Some(&base.digest));
        let is_new = self.planned_on.as_ref() != Some(&record);
        let is_ours = is_new
            && record.key == self.is.key
            && record.artifact.backend == self.backend().name()
            && record.artifact.reference == self.view.reference(self.id)
            && bases_are_ours;
        (is_ours && self.is_here()).then_some(record)
    }

    fn try_often<T>(
        &self,
        reference: &str,
        log: &Log<'_>,
        work: impl Fn(&Job<'_>, &dyn Notes) -> Result<T, BuildError>,
    ) -> Result<T, JobError> {
        let job = self.job(reference);
        let attempts = Attempts {
            most: self.attempts,
            log,
            cancel: &self.cancel,
        };
        attempts.at(|| work(&job, log))
    }

    fn job<'w>(&'w self, reference: &'w str) -> Job<'w> {
        Job {
            image: self.image(),
            recipe: self.recipe(),
            key: &self.is.key,
            reference,
            files: self.view.prints.files(self.id),
            bases: self.bases.clone(),
            outside: self.view.prints.outside(self.id),
            no_cache: self.no_cache,
            is_base: self.is_base,
            root: &self.view.world.workspace.root,
            scratch: self.store.context_folder(self.image()),
        }
    }

    /// Records a success. If that fails, the image still exists under its name, and the next run finds it by its key.
    fn record(&self, artifact: &Artifact, seconds: f64) -> Option<Box<Record>> {
        let record = Record {
            version: SCHEMA,
            image: self.image().to_owned(),
            key: self.is.key,
            artifact: artifact.clone(),
            platforms: self.recipe().platforms.clone(),
            seconds,
            finished: jiff::Timestamp::now().to_string(),
            bases: self
                .bases
                .iter()
                .map(|(name, base)| (name.clone(), base.digest.clone()))
                .collect(),
            stored: BTreeSet::from([StoreKind::Local]),
            by: built_by(),
        };
        let inputs = self.view.prints.inputs(self.id, self.recipe());
        if let Err(error) = self.store.write(&record, &inputs, self.recording()) {
            let message = format!(
                "`{}` is built but could not be recorded: {}",
                self.image(),
                system_words(&error)
            );
            (self.emit)(Event::Warning { message });
            return None;
        }
        Some(Box::new(record))
    }
}

/// Turns a panic of a backend into a failure of its image.
fn guarded<T>(work: impl FnOnce() -> Result<T, JobError>) -> Result<T, JobError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(JobError::failed(format!(
            "internal error: {}; please report it",
            words.unwrap_or("a panic without a message")
        )))
    })
}

pub(super) fn cancelled() -> JobError {
    JobError::plain(BuildError::Cancelled)
}
