//! The engine of both `graph build` and `watch`: starts builds and pushes, handles their completion, and reports
//! events.
//!
//! Its owner hands it messages and calls [`Engine::turn`] after each. That updates plan and board, at most once, and
//! starts what may start.

use std::collections::BTreeSet;

use super::board::Standing;
use super::event::Event;
use super::jobs::{Job, Jobs};
use super::log::JobError;
use super::mailbox::{Ended, Reporter};
use super::state::{Rules, State};
use super::wave::{Outcome, Wave};
use super::worker::{Built, Done, TaskKind};
use crate::backend::{BuildError, StoreKind};
use crate::graph::ImageId;
use crate::plan::{Facts, Plan, Reason};
use crate::world::View;

/// How far plan and board are up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Something changed since plan and board were made.
    Stale,
    /// Plan and board are current; something may be ready to start.
    Judged,
    /// Everything that can start has been started.
    Settled,
}

/// Whether new jobs may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    No,
    /// A job failed, with `--fail-fast`.
    Failure,
    Interrupt,
}

/// Owns the state of all images of a run.
pub(crate) struct Engine<'r> {
    pub(crate) state: State,
    pub(super) jobs: Jobs,
    reporter: Reporter<'r>,
    pub(crate) wave: Option<Wave>,
    pub(crate) waves: usize,
    pace: Pace,
    pub(super) halt: Halt,
    /// Failures that have not been reported to dependents yet.
    new_failures: Vec<String>,
}

/// A build whose files no longer matched their hashes: they have to be read again.
pub(crate) struct Moved {
    pub(crate) image: String,
    pub(super) path: String,
    pub(super) job: Job,
    pub(super) trouble: JobError,
    pub(super) seconds: f64,
}

impl<'r> Engine<'r> {
    pub(crate) fn new(
        rules: Rules,
        (view, facts, plan): (View, Vec<Facts>, Plan),
        jobs: Jobs,
        reporter: Reporter<'r>,
    ) -> Self {
        Self {
            jobs,
            state: State::new(rules, view, facts, plan),
            reporter,
            wave: None,
            waves: 0,
            pace: Pace::Stale,
            halt: Halt::No,
            new_failures: Vec::new(),
        }
    }

    pub(crate) fn emit(&self, event: Event) {
        self.reporter.emit(event);
    }

    /// Whether plan and board have to be updated.
    pub(crate) fn is_stale(&self) -> bool {
        self.pace == Pace::Stale
    }

    /// Marks plan and board as outdated.
    pub(crate) fn touch(&mut self) {
        self.pace = Pace::Stale;
    }

    /// Whether no build or push is running.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether nothing is running and nothing will start.
    pub(crate) fn is_done(&self) -> bool {
        let will_start = || self.halt == Halt::No && self.state.board.is_under_way();
        self.is_idle() && !self.is_stale() && !will_start()
    }

    /// Updates plan and board if needed, and starts what may start.
    pub(crate) fn turn(&mut self, may_start: bool) {
        loop {
            self.decide();
            if self.pace == Pace::Judged && may_start && self.halt == Halt::No {
                self.pace = Pace::Settled;
                self.start();
            }
            if !self.is_stale() {
                return;
            }
        }
    }

    /// Updates plan and board if they are outdated.
    pub(crate) fn decide(&mut self) {
        if self.is_stale() {
            self.judge();
        }
    }

    fn judge(&mut self) {
        self.pace = Pace::Judged;
        let blocked = self.state.judge(&self.jobs);
        let failures = std::mem::take(&mut self.new_failures);
        for failed in &failures {
            self.report_blocked_by(failed, &blocked);
        }
        if !failures.is_empty() && self.state.rules.options.fail_fast && self.halt == Halt::No {
            self.halt(Halt::Failure);
        }
    }

    fn start(&mut self) {
        while self.jobs.has_room()
            && let Some(next) = self.state.board.next()
        {
            if next.is_push || self.is_announced(next.id) || self.announce(next.id) {
                let work = self.state.work(next.id, next.is_push, &self.jobs);
                self.jobs.start(work);
                self.state.board.take(next);
            } else {
                self.state.board.set(next.id, Standing::Failed);
            }
        }
    }

    /// Whether the start of a build was reported before it was left to another runner.
    fn is_announced(&self, id: ImageId) -> bool {
        let name = self.state.view.name(id);
        self.state.returned.contains_key(name)
    }

    /// Reports the start of a build. Returns false, and fails the image, if its existence could not be determined and
    /// it is then not to be built.
    fn announce(&mut self, id: ImageId) -> bool {
        let reasons = self.state.reasons(id, &self.jobs.store);
        let image = self.state.name(id);
        let unknown = reasons.iter().find_map(|reason| match reason {
            Reason::Unknown { why } => Some(why),
            _ => None,
        });
        if let Some(why) = unknown
            && self
                .state
                .rules
                .judgement
                .refuses_unknown(self.state.view.world.spec(id))
        {
            let error = format!("could not determine whether it exists: {why}");
            let trouble = JobError::plain(BuildError::Failed(error));
            self.state.note_failed_as_is(id);
            self.report_failure(&image, trouble, 0.0, "");
            return false;
        }
        self.emit(Event::ImageStarted {
            image,
            reference: self.state.view.reference(id),
            backend: self.state.artifact(id).backend,
            reasons: reasons.iter().map(Reason::to_string).collect(),
        });
        true
    }

    /// Handles the end of a build or push. If the image's files changed meanwhile, returns them for the owner to read
    /// again.
    pub(crate) fn ended(&mut self, ended: Ended) -> Option<Moved> {
        let Ended {
            image,
            result,
            seconds,
        } = ended;
        let job = self.jobs.take(&image)?;
        self.state.touch(&image);
        self.touch();
        match result {
            Ok(Done::Built(built)) => self.built(&image, &job, built, seconds),
            Ok(Done::Postponed(watched)) => self.postpone(image, job, *watched),
            _ if job.is_superseded => {}
            Ok(Done::Pushed(digest)) => self.pushed(&image, &job, digest, seconds),
            Ok(Done::Tagged) => {
                self.state.note_tagged(&image, &job);
                self.tagged(&image, Some(seconds));
            }
            Err(trouble) => return self.not_done(image, job, trouble, seconds),
        }
        None
    }

    pub(super) fn built(&mut self, image: &str, job: &Job, built: Built, seconds: f64) {
        self.state.note_built(image, job, &built);
        let Built {
            artifact, found, ..
        } = built;
        let seconds = found.is_none().then_some(seconds);
        // A build that finished before it could be cancelled exists, but is no longer what is wanted.
        self.emit(match seconds {
            None => Event::ImageFresh {
                image: image.to_owned(),
                reference: artifact.reference.clone(),
            },
            Some(seconds) => Event::ImageBuilt {
                image: image.to_owned(),
                reference: artifact.reference.clone(),
                digest: artifact.digest.clone(),
                backend: artifact.backend.clone(),
                seconds,
            },
        });
        // Names of an image that another runner has pushed are that one's to give.
        if found != Some(StoreKind::Registry) && !self.state.will_be_pushed(image) {
            self.tagged(image, None);
        }
        if let Some(wave) = self.wave.as_mut().filter(|_| !job.is_superseded) {
            wave.build(Outcome {
                image: image.to_owned(),
                key: job.is.key,
                artifact,
                names: Vec::new(),
                seconds,
                pushed: None,
            });
        }
    }

    fn pushed(&mut self, image: &str, job: &Job, digest: Option<String>, seconds: f64) {
        self.state.note_pushed(image, job, digest);
        if let Some(wave) = &mut self.wave {
            wave.pushed.insert(image.to_owned());
        }
        self.emit(Event::ImagePushed {
            image: image.to_owned(),
            reference: job.is.reference.clone(),
            seconds,
        });
        self.tagged(image, None);
    }

    /// Reports the further names that an image now has.
    fn tagged(&self, image: &str, seconds: Option<f64>) {
        let id = self.state.find(image);
        let names = id.map(|id| self.state.view.also_named(id));
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            self.emit(Event::ImageTagged {
                image: image.to_owned(),
                names,
                seconds,
            });
        }
    }

    fn not_done(
        &mut self,
        image: String,
        job: Job,
        trouble: JobError,
        seconds: f64,
    ) -> Option<Moved> {
        match &trouble.error {
            BuildError::Cancelled => self.cancelled(image, &job),
            BuildError::Moved { path } if job.task == TaskKind::Build => {
                return Some(Moved {
                    path: path.clone(),
                    image,
                    job,
                    trouble,
                    seconds,
                });
            }
            _ => self.failed(&image, job, trouble, seconds),
        }
        None
    }

    pub(super) fn cancelled(&mut self, image: String, job: &Job) {
        if self.state.rules.manner.is_halt_final() && job.task == TaskKind::Build {
            self.stop_for_good(&image);
        }
        self.emit(Event::ImageCancelled { image });
        if self.halt == Halt::No {
            // A builder that cancels itself would do so again and again.
            self.halt(Halt::Failure);
        }
    }

    pub(super) fn stop_for_good(&mut self, image: &str) {
        if let Some(wave) = &mut self.wave {
            wave.cancelled.insert(image.to_owned());
        }
    }

    pub(super) fn failed(&mut self, image: &str, job: Job, trouble: JobError, seconds: f64) {
        let before = match job.task {
            TaskKind::Build => "",
            TaskKind::Push => "it is built, but could not be pushed: ",
            TaskKind::Tag => "it is built, but ",
        };
        self.state.note_failed(image, job.is);
        self.report_failure(image, trouble, seconds, before);
    }

    pub(super) fn report_failure(
        &mut self,
        image: &str,
        trouble: JobError,
        seconds: f64,
        before: &str,
    ) {
        self.touch();
        self.new_failures.push(image.to_owned());
        self.fail_in_wave(image);
        let JobError { error, log, tail } = trouble;
        let place = self.state.find(image).and_then(|id| {
            let field = error.field()?;
            self.state.view.world.place(id, field)
        });
        self.emit(Event::ImageFailed {
            image: image.to_owned(),
            error: format!("{before}{error}"),
            place,
            log,
            tail,
            seconds,
        });
    }

    pub(crate) fn fail_in_wave(&mut self, image: &str) {
        if let Some(wave) = &mut self.wave {
            wave.failed.insert(image.to_owned());
        }
    }

    fn report_blocked_by(&self, failed: &str, news: &BTreeSet<ImageId>) {
        let Some(failed_id) = self.state.find(failed) else {
            return;
        };
        let stopped = self.wave.as_ref().map(|wave| &wave.cancelled);
        for id in self.state.graph().affected(&BTreeSet::from([failed_id])) {
            let Standing::Blocked(blame) = self.state.board.get(id) else {
                continue;
            };
            let image = self.state.name(id);
            if !blame.contains(&failed_id) || stopped.is_some_and(|all| all.contains(&image)) {
                continue;
            }
            let blame = self.state.names(blame.iter().copied());
            let manner = self.state.rules.manner;
            if let Some(event) = manner.blocked(&image, failed, blame, news.contains(&id)) {
                self.emit(event);
            }
        }
    }

    /// Handles an interrupt: nothing more starts, and running jobs are requested to stop; the second interrupt stops
    /// them at once.
    pub(crate) fn interrupt(&mut self) {
        self.halt(Halt::Interrupt);
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.halt != Halt::No
    }

    fn halt(&mut self, halt: Halt) {
        self.halt = halt;
        if self.state.rules.manner.is_halt_final() {
            for id in self.state.graph().ids() {
                let image = self.state.name(id);
                let is_reported = |wave: &Wave| wave.cancelled.contains(&image);
                if self.state.board.get(id).is_pending()
                    && !self.wave.as_ref().is_some_and(is_reported)
                {
                    self.stop_for_good(&image);
                    self.emit(Event::ImageCancelled { image });
                }
            }
        }
        self.jobs.stop();
    }

    /// Resumes after a failure: a change may have fixed it.
    pub(crate) fn go_on(&mut self) {
        if self.halt == Halt::Failure {
            self.halt = Halt::No;
        }
        self.touch();
    }

    /// Retries failed images or, if none failed, rebuilds `otherwise` although they exist.
    pub(crate) fn try_again(&mut self, otherwise: &BTreeSet<String>) {
        self.state.try_again(otherwise);
        self.go_on();
    }

    /// Switches to a new view. Builds whose inputs changed are cancelled, after plan and board are updated so that the
    /// events are accurate.
    pub(crate) fn adopt(&mut self, view: View, facts: Vec<Facts>, in_doubt: BTreeSet<ImageId>) {
        self.state.adopt(view, facts);
        self.state.in_doubt = in_doubt;
        self.judge();
        let state = &self.state;
        for image in self.jobs.supersede(|name, job| state.wants(name, job)) {
            self.emit(Event::ImageSuperseded { image });
        }
    }
}
