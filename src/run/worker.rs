//! Builds or pushes one image: retries, log, record.
//!
//! The record is written here, right after the image is tagged, so that a success is recorded whatever happens to the
//! run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::event::Event;
use crate::backend::{Artifact, Backend, BuildError, Job, Notes, StoreKind, waiting};
use crate::cancel::Cancel;
use crate::disk::system_words;
use crate::fingerprint::Key;
use crate::graph::ImageId;
use crate::recipe::Recipe;
use crate::store::{Record, RecordState, SCHEMA, Store};
use crate::world::View;

/// Number of log lines shown for a failed build.
const TAIL: usize = 20;

/// How long to wait, after an interrupt, for other runs to finish writing; longer than a write takes.
const RECORDING: Duration = Duration::from_secs(2);

/// Delays between attempts; the last one repeats.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
];

pub(crate) type Emit = Arc<dyn Fn(Event) + Send + Sync>;

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
    /// The artifact to push; `None` to build.
    pub(super) push: Option<Artifact>,
    pub(super) store: Store,
    pub(super) emit: Emit,
    pub(super) cancel: Cancel,
}

/// An image version: a failure recorded for one identity says nothing about another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) key: Key,
    pub(crate) bases: Vec<String>,
}

pub(crate) struct Built {
    pub(crate) artifact: Artifact,
    /// `None` if the record could not be written.
    pub(crate) record: Option<Box<Record>>,
    /// Another run built it while this one waited for the lock.
    pub(crate) by_another_run: bool,
}

pub(super) enum Done {
    Built(Built),
    /// With the image's digest in the registry, if known.
    Pushed(Option<String>),
}

/// A failed job, with its log.
pub(crate) struct JobError {
    pub(crate) error: BuildError,
    pub(crate) log: Option<String>,
    pub(crate) tail: Vec<String>,
}

impl JobError {
    /// A failure without a log.
    pub(crate) fn plain(error: BuildError) -> Self {
        Self {
            error,
            log: None,
            tail: Vec::new(),
        }
    }
}

impl Work {
    /// Builds or pushes the image. Also returns the duration in seconds.
    pub(super) fn carry_out(&self) -> (Result<Done, JobError>, f64) {
        let started = Instant::now();
        let result = guarded(|| match &self.push {
            None => self.build_in_turn().map(Done::Built),
            Some(artifact) => self.push(artifact).map(Done::Pushed),
        });
        (result, started.elapsed().as_secs_f64())
    }

    pub(super) fn image(&self) -> &str {
        self.view.name(self.id)
    }

    fn recipe(&self) -> &Recipe {
        &self.view.world.recipes[self.id.index()]
    }

    fn backend(&self) -> &dyn Backend {
        &*self.view.world.backends[self.id.index()]
    }

    fn push(&self, artifact: &Artifact) -> Result<Option<String>, JobError> {
        let log = Log::open(self, &format!("{}.push", self.image()))?;
        self.try_often(&log, |job, notes| {
            self.backend().push(job, artifact, notes, &self.cancel)
        })
    }

    /// Builds the image while holding its lock. If another run held the lock, the work may already be done.
    fn build_in_turn(&self) -> Result<Built, JobError> {
        let waiting = self.waiting("waiting for another run that is building it");
        let lock = self.store.lock_image(self.image(), waiting);
        let _turn = lock
            .map_err(|error| plain(format!("cannot take its lock: {}", system_words(&error))))?
            .ok_or_else(cancelled)?;
        if let Some(record) = self.built_meanwhile() {
            return Ok(Built {
                artifact: record.artifact.clone(),
                record: Some(record),
                by_another_run: true,
            });
        }
        let log = Log::open(self, self.image())?;
        let started = Instant::now();
        let artifact = self.try_often(&log, |job, notes| {
            self.backend().build(job, notes, &self.cancel)
        })?;
        let record = self.record(&artifact, started.elapsed().as_secs_f64());
        Ok(Built {
            artifact,
            record,
            by_another_run: false,
        })
    }

    /// Returns a poll callback that breaks on an interrupt, and reports what is waited for if that takes long.
    fn waiting(&self, what: &str) -> impl FnMut() -> ControlFlow<()> {
        waiting(&self.cancel, move || {
            (self.emit)(Event::ImageStep {
                image: self.image().to_owned(),
                step: 0,
                of: 0,
                name: what.to_owned(),
            });
        })
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

    /// The record of another run that built from the same inputs and bases after this run was planned.
    fn built_meanwhile(&self) -> Option<Box<Record>> {
        let RecordState::Found(record) = self.store.read(self.image()) else {
            return None;
        };
        let bases_are_ours = self
            .bases
            .iter()
            .all(|(name, base)| record.base(name) == Some(&base.digest));
        let is_new = self.planned_on.as_ref() != Some(&record);
        (is_new
            && record.key == self.is.key
            && record.artifact.reference == self.view.reference(self.id)
            && bases_are_ours)
            .then_some(record)
    }

    fn try_often<T>(
        &self,
        log: &Log<'_>,
        work: impl Fn(&Job<'_>, &dyn Notes) -> Result<T, BuildError>,
    ) -> Result<T, JobError> {
        let reference = self.view.reference(self.id);
        let job = self.job(&reference);
        let (mut attempt, mut before) = (1, String::new());
        loop {
            match work(&job, log) {
                Err(error) if error.is_transient() && attempt < self.attempts => {
                    log.begin_again();
                    let wait = WAITS[(attempt as usize - 1).min(WAITS.len() - 1)];
                    attempt += 1;
                    let wait_ms = u64::try_from(wait.as_millis()).expect("seconds fit");
                    let image = self.image().to_owned();
                    let why = error.to_string();
                    let is_known = why == before;
                    before.clone_from(&why);
                    (self.emit)(Event::ImageRetry {
                        image,
                        attempt,
                        of: self.attempts,
                        wait_ms,
                        why: if is_known {
                            "same as before".to_owned()
                        } else {
                            why
                        },
                    });
                    self.sleep(wait)?;
                }
                result => return result.map_err(|error| log.trouble(error)),
            }
        }
    }

    fn sleep(&self, wait: Duration) -> Result<(), JobError> {
        let end = Instant::now() + wait;
        while Instant::now() < end {
            if self.cancel.is_requested() {
                return Err(cancelled());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
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
        Err(plain(format!(
            "internal error: {}; please report it",
            words.unwrap_or("a panic without a message")
        )))
    })
}

fn plain(message: String) -> JobError {
    JobError::plain(BuildError::Failed(message))
}

fn cancelled() -> JobError {
    JobError::plain(BuildError::Cancelled)
}

/// The log of one build: a file, its last lines, and the events for display.
struct Log<'a> {
    image: &'a str,
    /// Relative to the workspace root.
    path: PathBuf,
    emit: Emit,
    lines: Mutex<Lines>,
}

struct Lines {
    file: BufWriter<File>,
    tail: VecDeque<String>,
    /// Whether the file has any content.
    is_written: bool,
    /// Whether writing failed; reported once.
    is_broken: bool,
}

impl<'a> Log<'a> {
    fn open(work: &'a Work, name: &str) -> Result<Self, JobError> {
        let (file, path) = work
            .store
            .open_log(name)
            .map_err(|error| plain(format!("cannot create its log: {}", system_words(&error))))?;
        let lines = Mutex::new(Lines {
            file: BufWriter::new(file),
            tail: VecDeque::new(),
            is_written: false,
            is_broken: false,
        });
        Ok(Self {
            image: work.image(),
            path,
            emit: Arc::clone(&work.emit),
            lines,
        })
    }

    fn trouble(&self, error: BuildError) -> JobError {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        JobError {
            error,
            log: lines.is_written.then(|| self.path.display().to_string()),
            tail: lines.tail.iter().cloned().collect(),
        }
    }

    /// Drops the tail of the previous attempt: a failure shows only the last one.
    fn begin_again(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.tail.clear();
    }

    /// Writes a line to the file only.
    fn note(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut lines, line);
    }

    /// Writes a line of output, also to the tail shown on failure.
    fn keep(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.tail.len() == TAIL {
            lines.tail.pop_front();
        }
        lines.tail.push_back(line.to_owned());
        self.write(&mut lines, line);
    }

    fn write(&self, lines: &mut Lines, line: &str) {
        // Flush each line: someone may be following the file, and a kill must not lose it.
        let written = writeln!(lines.file, "{line}").and_then(|()| lines.file.flush());
        lines.is_written |= written.is_ok();
        if let Err(error) = written
            && !std::mem::replace(&mut lines.is_broken, true)
        {
            let message = format!(
                "the log `{}` is incomplete: {}",
                self.path.display(),
                system_words(&error)
            );
            (self.emit)(Event::Warning { message });
        }
    }

    fn send(&self, event: Event) {
        (self.emit)(event);
    }
}

impl Notes for Log<'_> {
    fn step(&self, step: usize, of: usize, name: &str) {
        let at = if step == 0 {
            String::new()
        } else {
            format!("[{step}/{of}] ")
        };
        self.note(&format!("{at}{name}"));
        self.send(Event::ImageStep {
            image: self.image.to_owned(),
            step,
            of,
            name: name.to_owned(),
        });
    }

    fn cached(&self, name: &str) {
        self.note(&format!("{name} (cached)"));
        let (image, name) = (self.image.to_owned(), name.to_owned());
        self.send(Event::ImageCached { image, name });
    }

    fn log(&self, line: &str) {
        self.keep(line);
        let (image, line) = (self.image.to_owned(), line.to_owned());
        self.send(Event::ImageLog { image, line });
    }

    fn node(&self, name: &str) {
        self.note(&format!("on {name}"));
        let (image, node) = (self.image.to_owned(), name.to_owned());
        self.send(Event::ImagePlaced { image, node });
    }

    fn warn(&self, message: &str) {
        self.note(message);
        let message = message.to_owned();
        self.send(Event::Warning { message });
    }
}
