//! Builds one image, or pushes one: retries, log, record. Knows nothing of the graph and of other images.
//!
//! The record is written here, right after the tag, so that a success is kept whatever happens to the run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Event, Trouble};
use crate::backend::{Artifact, Backend, BuildError, Cancel, Job, Notes, StoreKind, waiting};
use crate::disk::system_words;
use crate::fingerprint::{self, Files, Key};
use crate::recipe::Recipe;
use crate::store::{Record, RecordState, SCHEMA, Store};

/// Lines of a failed build's log that are shown.
const TAIL: usize = 20;

/// Longer than any run takes to write what it has to write.
const RECORDING: Duration = Duration::from_secs(2);

/// The wait before each further attempt; the last one repeats.
const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(10),
];

/// Where a worker's events go.
pub(crate) type Tell = Arc<dyn Fn(Event) + Send + Sync>;

/// Everything that a worker needs to build one image.
pub(crate) struct Assignment<'a> {
    pub(crate) image: &'a str,
    pub(crate) recipe: &'a Recipe,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) key: Key,
    pub(crate) files: Vec<Arc<Files>>,
    pub(crate) reference: String,
    pub(crate) bases: BTreeMap<String, Artifact>,
    pub(crate) base_keys: Vec<(String, Key)>,
    /// What was recorded when the run was planned: another run may have built it since.
    pub(crate) planned_on: Option<Record>,
    /// `--force`: what is fresh is to be made anew, not to be found in a cache.
    pub(crate) no_cache: bool,
    pub(crate) attempts: u32,
    pub(crate) root: &'a Path,
    pub(crate) store: &'a Store,
    pub(crate) cancel: Cancel,
    pub(crate) tell: Tell,
}

/// What a worker brings back.
pub(crate) struct Built {
    pub(crate) artifact: Artifact,
    /// What is recorded of it; none when it could not be.
    pub(crate) record: Option<Box<Record>>,
    /// Another run built it while this one waited for its turn.
    pub(crate) by_another_run: bool,
}

impl Assignment<'_> {
    /// Builds the image; with how long it took.
    pub(crate) fn build(&self) -> (Result<Built, Trouble>, f64) {
        let started = Instant::now();
        let result = guarded(|| self.build_in_turn());
        (result, started.elapsed().as_secs_f64())
    }

    /// Pushes the image; with how long it took.
    pub(crate) fn push(&self, artifact: &Artifact) -> (Result<(), Trouble>, f64) {
        let started = Instant::now();
        let result = guarded(|| {
            let log = Log::open(self, &format!("{}.push", self.image))?;
            self.try_often(&log, |job, notes| {
                self.backend.push(job, artifact, notes, &self.cancel)
            })
        });
        (result, started.elapsed().as_secs_f64())
    }

    /// One run at a time builds an image; who waited for another may find the work done.
    fn build_in_turn(&self) -> Result<Built, Trouble> {
        let waiting = self.waiting("waiting for another run that builds it");
        let lock = self.store.lock_image(self.image, waiting);
        let _turn = lock
            .map_err(|error| {
                plain(format!(
                    "its lock cannot be taken: {}",
                    system_words(&error)
                ))
            })?
            .ok_or_else(cancelled)?;
        if let Some(record) = self.built_meanwhile() {
            return Ok(Built {
                artifact: record.artifact.clone(),
                record: Some(record),
                by_another_run: true,
            });
        }
        let log = Log::open(self, self.image)?;
        let started = Instant::now();
        let artifact = self.try_often(&log, |job, notes| {
            self.backend.build(job, notes, &self.cancel)
        })?;
        let record = self.record(&artifact, started.elapsed().as_secs_f64());
        Ok(Built {
            artifact,
            record,
            by_another_run: false,
        })
    }

    /// Waits until the run is interrupted, and says what for when it takes longer.
    fn waiting(&self, what: &str) -> impl FnMut() -> ControlFlow<()> {
        waiting(&self.cancel, move || {
            (self.tell)(Event::ImageStep {
                image: self.image.to_owned(),
                step: 0,
                of: 0,
                name: what.to_owned(),
            });
        })
    }

    /// The same for what is built: an interrupt loses it only if another run goes on writing.
    fn recording(&self) -> impl FnMut() -> ControlFlow<()> {
        let mut waiting = self.waiting("waiting for another run that writes its records");
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

    /// What another run built of the very same inputs and bases since this run was planned.
    fn built_meanwhile(&self) -> Option<Box<Record>> {
        let RecordState::Found(record) = self.store.read(self.image) else {
            return None;
        };
        let bases_are_ours = self
            .bases
            .iter()
            .all(|(name, base)| record.bases.get(name) == Some(&base.digest));
        let is_new = self.planned_on.as_ref() != Some(&*record);
        (is_new
            && record.key == self.key
            && record.artifact.reference == self.reference
            && bases_are_ours)
            .then_some(record)
    }

    fn try_often<T>(
        &self,
        log: &Log<'_>,
        work: impl Fn(&Job<'_>, &dyn Notes) -> Result<T, BuildError>,
    ) -> Result<T, Trouble> {
        let job = self.job();
        let mut attempt = 1;
        loop {
            match work(&job, log) {
                Err(BuildError::Transient(why)) if attempt < self.attempts => {
                    let wait = WAITS[(attempt as usize - 1).min(WAITS.len() - 1)];
                    attempt += 1;
                    let wait_ms = u64::try_from(wait.as_millis()).expect("seconds fit");
                    let image = self.image.to_owned();
                    (self.tell)(Event::ImageRetry {
                        image,
                        attempt,
                        of: self.attempts,
                        wait_ms,
                        why,
                    });
                    self.sleep(wait)?;
                }
                result => return result.map_err(|error| log.trouble(error)),
            }
        }
    }

    fn sleep(&self, wait: Duration) -> Result<(), Trouble> {
        let end = Instant::now() + wait;
        while Instant::now() < end {
            if self.cancel.is_requested() {
                return Err(cancelled());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn job(&self) -> Job<'_> {
        Job {
            image: self.image,
            recipe: self.recipe,
            key: &self.key,
            reference: &self.reference,
            files: &self.files,
            bases: self.bases.clone(),
            no_cache: self.no_cache,
            root: self.root,
            scratch: self.store.context_folder(self.image),
        }
    }

    /// Keeps the success. One that cannot be kept is still there under its name, where the next run finds it by key.
    fn record(&self, artifact: &Artifact, seconds: f64) -> Option<Box<Record>> {
        let record = Record {
            version: SCHEMA,
            image: self.image.to_owned(),
            key: self.key,
            artifact: artifact.clone(),
            platforms: self.recipe.platforms.clone(),
            seconds,
            finished: jiff::Timestamp::now().to_string(),
            bases: self
                .bases
                .iter()
                .map(|(name, base)| (name.clone(), base.digest.clone()))
                .collect(),
            stored: BTreeSet::from([StoreKind::Local]),
        };
        let inputs = fingerprint::inputs(self.recipe, &self.files, &self.base_keys);
        if let Err(error) = self.store.write(&record, &inputs, self.recording()) {
            let message = format!(
                "`{}` is built but could not be recorded: {}",
                self.image,
                system_words(&error)
            );
            (self.tell)(Event::Warning { message });
            return None;
        }
        Some(Box::new(record))
    }
}

/// A backend that panics has failed; the run goes on.
fn guarded<T>(work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(plain(format!(
            "internal error: {}; please report it",
            words.unwrap_or("a panic without words")
        )))
    })
}

fn plain(message: String) -> Trouble {
    Trouble::plain(BuildError::Failed(message))
}

fn cancelled() -> Trouble {
    Trouble::plain(BuildError::Cancelled)
}

/// The log of one build: a file, its last lines, and the events for the screen.
struct Log<'a> {
    image: &'a str,
    /// From the workspace root.
    path: PathBuf,
    tell: Tell,
    lines: Mutex<Lines>,
}

struct Lines {
    file: BufWriter<File>,
    tail: VecDeque<String>,
    /// The file could not be written: said once.
    is_broken: bool,
}

impl<'a> Log<'a> {
    fn open(work: &Assignment<'a>, name: &str) -> Result<Self, Trouble> {
        let (file, path) = work.store.open_log(name).map_err(|error| {
            plain(format!(
                "no log of it can be kept: {}",
                system_words(&error)
            ))
        })?;
        let lines = Mutex::new(Lines {
            file: BufWriter::new(file),
            tail: VecDeque::new(),
            is_broken: false,
        });
        Ok(Self {
            image: work.image,
            path,
            tell: Arc::clone(&work.tell),
            lines,
        })
    }

    fn trouble(&self, error: BuildError) -> Trouble {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        Trouble {
            error,
            log: Some(self.path.display().to_string()),
            tail: lines.tail.iter().cloned().collect(),
        }
    }

    /// Writes a line that a failure is not about.
    fn note(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut lines, line);
    }

    /// Writes a line of output, which may be what a failure is about.
    fn keep(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.tail.len() == TAIL {
            lines.tail.pop_front();
        }
        lines.tail.push_back(line.to_owned());
        self.write(&mut lines, line);
    }

    fn write(&self, lines: &mut Lines, line: &str) {
        // Flushed by the line: someone may be following the file, and a kill must not lose it.
        let written = writeln!(lines.file, "{line}").and_then(|()| lines.file.flush());
        if let Err(error) = written
            && !std::mem::replace(&mut lines.is_broken, true)
        {
            let message = format!(
                "the log `{}` is incomplete: {}",
                self.path.display(),
                system_words(&error)
            );
            (self.tell)(Event::Warning { message });
        }
    }

    fn send(&self, event: Event) {
        (self.tell)(event);
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
        self.send(Event::ImageCached {
            image: self.image.to_owned(),
            name: name.to_owned(),
        });
    }

    fn log(&self, line: &str) {
        self.keep(line);
        self.send(Event::ImageLog {
            image: self.image.to_owned(),
            line: line.to_owned(),
        });
    }
}
