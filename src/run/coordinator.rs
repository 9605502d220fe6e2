//! The one thread that owns a run: starts workers, hears what they say, tells the report.
//!
//! Its loop: start what is ready while there are free workers; push what may be pushed; wait for a message; note what it
//! changes. Knows nothing of how images are built. The choice made: all decisions are taken here, one message at a time, so
//! there is nothing to lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use rayon::ScopeFifo;

use super::worker::{Assignment, Built};
use super::{
    Ending, Event, Mailbox, Message, Options, Outcome, Push, Scheduler, Setting, State, Summary,
    Trouble,
};
use crate::backend::{Artifact, BuildError, Cancel};
use crate::fingerprint::Fingerprints;
use crate::graph::ImageId;
use crate::plan::{Action, Facts, Plan, Reason};
use crate::reference;

/// How often an image whose files keep changing is begun again before it fails.
const MOVES: u32 = 5;

/// Runs a plan to its end: every image is built, failed, skipped or cancelled, and everything was told to `report`.
///
/// # Panics
/// When threads cannot be made.
#[must_use]
pub fn run(
    setting: Setting<'_>,
    plan: &Plan,
    facts: &[Facts],
    prints: Fingerprints,
    options: Options,
    mailbox: Mailbox,
    report: &mut dyn FnMut(&Event),
) -> Summary {
    let Mailbox {
        sender,
        receiver,
        reading,
    } = mailbox;
    let reader = Arc::clone(prints.reader());
    reading.set(Some(Arc::clone(&reader)));
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.jobs.max(1))
        .thread_name(|at| format!("build-{at}"))
        .build()
        .expect("a handful of threads can be started");
    let mut coordinator = Coordinator::new(setting, plan, facts, prints, options, sender, report);
    // In place: the loop stays on this thread, so a pool of one worker cannot wait for itself.
    pool.in_place_scope_fifo(|scope| {
        coordinator.begin();
        loop {
            coordinator.start_workers(scope);
            if !coordinator.is_busy() {
                break;
            }
            let Ok(message) = receiver.recv() else { break };
            coordinator.hear(message);
        }
    });
    let summary = coordinator.end();
    reading.set(None);
    reader.go_on();
    summary
}

struct Coordinator<'a, 'r> {
    setting: Setting<'a>,
    plan: &'a Plan,
    facts: &'a [Facts],
    prints: Fingerprints,
    options: Options,
    messages: SyncSender<Message>,
    report: &'r mut dyn FnMut(&Event),
    started: Instant,
    scheduler: Scheduler<'a>,
    /// What each image is, once it is known: found or built.
    artifacts: Vec<Option<Artifact>>,
    seconds: Vec<Option<f64>>,
    running: BTreeMap<ImageId, Cancel>,
    /// Images that wait for a worker to push them.
    to_push: Vec<ImageId>,
    pushing: BTreeMap<ImageId, Cancel>,
    pushed: BTreeSet<ImageId>,
    failed_pushes: Vec<ImageId>,
    moves: Vec<u32>,
    is_interrupted: bool,
}

impl<'a, 'r> Coordinator<'a, 'r> {
    fn new(
        setting: Setting<'a>,
        plan: &'a Plan,
        facts: &'a [Facts],
        prints: Fingerprints,
        options: Options,
        messages: SyncSender<Message>,
        report: &'r mut dyn FnMut(&Event),
    ) -> Self {
        let images = setting.graph.len();
        let mut this = Self {
            setting,
            plan,
            facts,
            prints,
            options,
            messages,
            report,
            started: Instant::now(),
            scheduler: Scheduler::new(setting.graph, plan),
            artifacts: vec![None; images],
            seconds: vec![None; images],
            running: BTreeMap::new(),
            to_push: Vec::new(),
            pushing: BTreeMap::new(),
            pushed: BTreeSet::new(),
            failed_pushes: Vec::new(),
            moves: vec![0; images],
            is_interrupted: false,
        };
        for image in plan
            .images
            .iter()
            .filter(|image| image.action != Action::Build)
        {
            this.artifacts[image.id.index()] = Some(this.found(image.id));
        }
        this
    }

    fn begin(&mut self) {
        let fresh = self
            .plan
            .images
            .iter()
            .filter(|image| image.action == Action::Fresh)
            .count();
        self.tell(Event::RunStarted {
            build: self.plan.images.len() - fresh,
            fresh,
            jobs: self.options.jobs,
        });
        for image in &self.plan.images {
            match image.action {
                Action::Fresh => {
                    let event = Event::ImageFresh {
                        image: self.name(image.id),
                        reference: self.reference(image.id),
                    };
                    self.tell(event);
                }
                Action::Push => self.want_push(image.id),
                Action::Build => {}
            }
        }
    }

    fn start_workers<'s>(&mut self, scope: &ScopeFifo<'s>)
    where
        'a: 's,
    {
        while self.has_free_worker()
            && let Some(id) = self.scheduler.start()
        {
            let work = self.assign(id);
            let planned = self.plan.get(id).expect("only planned images start");
            self.tell(Event::ImageStarted {
                image: self.name(id),
                reference: work.reference.clone(),
                backend: work.backend.name().to_owned(),
                reasons: planned.reasons.iter().map(Reason::to_string).collect(),
            });
            self.running.insert(id, work.cancel.clone());
            let messages = self.messages.clone();
            scope.spawn_fifo(move |_| {
                let (result, seconds) = work.build();
                // The coordinator outlives its workers; when it is gone nobody is left to tell.
                let _ = messages.send(Message::Built {
                    id,
                    result,
                    seconds,
                });
            });
        }
        while self.has_free_worker()
            && self.may_push()
            && let Some(id) = self.to_push.pop()
        {
            let work = self.assign(id);
            let artifact = self.artifacts[id.index()]
                .clone()
                .expect("only what is there is pushed");
            self.pushing.insert(id, work.cancel.clone());
            let messages = self.messages.clone();
            scope.spawn_fifo(move |_| {
                let (result, seconds) = work.push(&artifact);
                let _ = messages.send(Message::Pushed {
                    id,
                    result,
                    seconds,
                });
            });
        }
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Event(event) => self.tell(event),
            Message::Interrupt => self.interrupt(),
            Message::Built {
                id,
                result,
                seconds,
            } => {
                self.running.remove(&id);
                match result {
                    Ok(built) => self.built(id, built, seconds),
                    Err(trouble) => self.not_built(id, trouble, seconds),
                }
            }
            Message::Pushed {
                id,
                result,
                seconds,
            } => {
                self.pushing.remove(&id);
                match result {
                    Ok(()) => {
                        self.pushed.insert(id);
                        let event = Event::ImagePushed {
                            image: self.name(id),
                            reference: self.reference(id),
                            seconds,
                        };
                        self.tell(event);
                    }
                    Err(Trouble {
                        error: BuildError::Cancelled,
                        ..
                    }) => self.tell(Event::ImageCancelled {
                        image: self.name(id),
                    }),
                    Err(trouble) => {
                        self.failed_pushes.push(id);
                        self.tell_failure(
                            id,
                            trouble,
                            seconds,
                            "it is built, but could not be pushed: ",
                        );
                        self.stop_if_fail_fast();
                    }
                }
            }
        }
    }

    fn built(&mut self, id: ImageId, built: Built, seconds: f64) {
        self.scheduler.finish(id, Ending::Built);
        let Built {
            artifact,
            by_another_run,
        } = built;
        let (image, reference) = (self.name(id), artifact.reference.clone());
        let (digest, backend) = (artifact.digest.clone(), artifact.backend.clone());
        self.artifacts[id.index()] = Some(artifact);
        if by_another_run {
            self.tell(Event::ImageFresh { image, reference });
        } else {
            self.seconds[id.index()] = Some(seconds);
            self.tell(Event::ImageBuilt {
                image,
                reference,
                digest,
                backend,
                seconds,
            });
        }
        if self.plan.get(id).is_some_and(|planned| planned.asked) {
            self.want_push(id);
        }
    }

    fn not_built(&mut self, id: ImageId, trouble: Trouble, seconds: f64) {
        match &trouble.error {
            BuildError::Cancelled => {
                self.scheduler.finish(id, Ending::Cancelled);
                self.tell(Event::ImageCancelled {
                    image: self.name(id),
                });
            }
            BuildError::Moved { path } if self.moves[id.index()] < MOVES => {
                let path = path.clone();
                self.begin_again(id, &path, trouble, seconds);
            }
            _ => self.failed(id, trouble, seconds),
        }
    }

    fn failed(&mut self, id: ImageId, trouble: Trouble, seconds: f64) {
        let skipped = self.scheduler.finish(id, Ending::Failed);
        self.tell_failure(id, trouble, seconds, "");
        for skipped in skipped {
            let event = Event::ImageSkipped {
                image: self.name(skipped),
                because: vec![self.name(id)],
            };
            self.tell(event);
        }
        self.stop_if_fail_fast();
    }

    /// The files are not what they were: the image and all that is built on it get new keys, and it starts again.
    fn begin_again(&mut self, id: ImageId, path: &str, trouble: Trouble, seconds: f64) {
        self.moves[id.index()] += 1;
        if let Err(error) = self.prints.refresh(
            self.setting.workspace,
            self.setting.graph,
            self.setting.recipes,
            id,
        ) {
            let error = BuildError::Failed(error.to_string());
            return self.failed(id, Trouble { error, ..trouble }, seconds);
        }
        self.scheduler.finish(id, Ending::Again);
        let message = format!(
            "`{path}` changed while `{}` was being built: it starts again",
            self.name(id)
        );
        self.tell(Event::Warning { message });
    }

    fn interrupt(&mut self) {
        self.is_interrupted = true;
        self.stop();
    }

    fn stop_if_fail_fast(&mut self) {
        if self.options.fail_fast {
            self.stop();
        }
    }

    /// Nothing more starts, and what runs is asked to stop; a second time, at once.
    fn stop(&mut self) {
        for id in self.scheduler.cancel() {
            self.tell(Event::ImageCancelled {
                image: self.name(id),
            });
        }
        self.to_push.clear();
        for cancel in self.running.values().chain(self.pushing.values()) {
            cancel.request();
        }
    }

    fn end(mut self) -> Summary {
        self.warn_of_changed_files();
        let mut failed: Vec<ImageId> = self
            .scheduler
            .all(State::Failed)
            .chain(self.failed_pushes.iter().copied())
            .collect();
        failed.sort_unstable();
        let names = |ids: Vec<ImageId>| ids.into_iter().map(|id| self.name(id)).collect::<Vec<_>>();
        let summary = Summary {
            images: self.outcomes(),
            failed: names(failed),
            skipped: names(self.scheduler.all(State::Skipped).collect()),
            cancelled: names(self.scheduler.all(State::Cancelled).collect()),
            interrupted: self.is_interrupted,
        };
        let built = self.seconds.iter().flatten().count();
        self.tell(Event::RunFinished {
            built,
            pushed: self.pushed.len(),
            fresh: summary.images.len() - built,
            failed: summary.failed.clone(),
            skipped: summary.skipped.clone(),
            cancelled: summary.cancelled.clone(),
            seconds: self.started.elapsed().as_secs_f64(),
        });
        summary
    }

    /// What was built holds the files as they were when they were read; if they changed since, the user should know.
    fn warn_of_changed_files(&mut self) {
        for id in self.scheduler.all(State::Built).collect::<Vec<_>>() {
            if let Some(path) = self.prints.changed_since_read(id) {
                let name = self.name(id);
                let message = format!(
                    "`{path}` changed while `{name}` was being built: the image holds it as it was before; run again for the new one"
                );
                self.tell(Event::Warning { message });
            }
        }
    }

    fn outcomes(&self) -> Vec<Outcome> {
        let there = |id: ImageId| {
            let artifact = self.artifacts[id.index()].clone()?;
            Some(Outcome {
                image: self.name(id),
                key: self.prints.key(id),
                artifact,
                seconds: self.seconds[id.index()],
            })
        };
        self.plan
            .images
            .iter()
            .filter_map(|image| there(image.id))
            .collect()
    }

    fn assign(&self, id: ImageId) -> Assignment<'a> {
        let setting = self.setting;
        let bases = setting.graph.bases(id);
        let artifact = |base: &ImageId| {
            self.artifacts[base.index()]
                .clone()
                .expect("bases are there before what needs them")
        };
        let messages = self.messages.clone();
        let tell = move |event| {
            let _ = messages.send(Message::Event(event));
        };
        Assignment {
            image: setting.graph.name(id),
            recipe: &setting.recipes[id.index()],
            backend: Arc::clone(&setting.backends[id.index()]),
            key: self.prints.key(id),
            files: self.prints.files(id).to_vec(),
            reference: self.reference(id),
            bases: bases
                .iter()
                .map(|base| (setting.graph.name(*base).to_owned(), artifact(base)))
                .collect(),
            base_keys: self.prints.bases(id).to_vec(),
            planned_on: self.facts[id.index()].record.clone(),
            no_cache: self
                .plan
                .get(id)
                .is_some_and(|planned| planned.reasons.contains(&Reason::Forced)),
            attempts: self.options.attempts.max(1),
            root: &setting.workspace.root,
            store: setting.store,
            cancel: Cancel::default(),
            tell: Arc::new(tell),
        }
    }

    /// The artifact of an image that is not built in this run.
    fn found(&self, id: ImageId) -> Artifact {
        Artifact {
            backend: self.setting.backends[id.index()].name().to_owned(),
            reference: self.reference(id),
            digest: self.facts[id.index()].digest(),
        }
    }

    fn want_push(&mut self, id: ImageId) {
        let image = &self.setting.workspace.images[id.index()];
        if self.options.push.wants(&image.spec) {
            self.to_push.insert(0, id);
        }
    }

    fn may_push(&self) -> bool {
        match self.options.push {
            Push::No => false,
            Push::Each | Push::Flytekit => true,
            Push::AllOrNothing => {
                let is_done = !self.scheduler.is_busy();
                is_done
                    && self
                        .plan
                        .builds()
                        .all(|image| self.scheduler.state(image.id) == State::Built)
            }
        }
    }

    fn has_free_worker(&self) -> bool {
        self.running.len() + self.pushing.len() < self.options.jobs.max(1)
    }

    fn is_busy(&self) -> bool {
        let will_push = !self.to_push.is_empty() && (self.scheduler.is_busy() || self.may_push());
        self.scheduler.is_busy() || !self.pushing.is_empty() || will_push
    }

    fn reference(&self, id: ImageId) -> String {
        reference::of(
            &self.setting.workspace.images[id.index()],
            &self.prints.tag(id),
        )
    }

    fn name(&self, id: ImageId) -> String {
        self.setting.graph.name(id).to_owned()
    }

    fn tell_failure(&mut self, id: ImageId, trouble: Trouble, seconds: f64, before: &str) {
        let Trouble { error, log, tail } = trouble;
        self.tell(Event::ImageFailed {
            image: self.name(id),
            error: format!("{before}{error}"),
            log,
            tail,
            seconds,
        });
    }

    #[allow(clippy::needless_pass_by_value, reason = "an event is made to be told")]
    fn tell(&mut self, event: Event) {
        (self.report)(&event);
    }
}
