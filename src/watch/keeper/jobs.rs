//! How the keeper starts builds and pushes, and what it makes of their ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::Scope;

use super::{Fault, Job, Keeper, digests};
use crate::backend::{Artifact, BuildError, Cancel, Existence};
use crate::graph::ImageId;
use crate::plan::{Plan, Reason, WhenUnknown, facts};
use crate::run::worker::{Assignment, Built};
use crate::run::{Event, Outcome, Push, Trouble, remaining};
use crate::store::{Record, RecordState};
use crate::watch::board::Standing;
use crate::watch::places::Who;
use crate::watch::{Message, look::View};

/// All that a worker needs, without borrowing: the world may be another before it ends.
struct Work {
    view: View,
    id: ImageId,
    reference: String,
    bases: BTreeMap<String, Artifact>,
    planned_on: Option<Record>,
    no_cache: bool,
    attempts: u32,
    cancel: Cancel,
}

impl<'a> Keeper<'a, '_> {
    /// Starts what may start while there are free workers: the longest remaining path first.
    pub(super) fn start_jobs<'s>(&mut self, scope: &'s Scope<'s, '_>)
    where
        'a: 's,
    {
        let jobs = self.request.options.jobs.max(1);
        while self.jobs.len() < jobs
            && let Some((id, pushes)) = self.next()
        {
            if pushes {
                self.start_push(scope, id);
            } else {
                self.start_build(scope, id);
            }
            self.judge();
        }
    }

    /// The image that goes next, and whether it is only to be pushed.
    fn next(&self) -> Option<(ImageId, bool)> {
        let now = self.now.as_ref()?;
        let graph = &now.view.world.graph;
        let with = |standing: Standing| {
            graph
                .ids()
                .filter(move |id| now.board.get(id.index()) == Some(&standing))
        };
        let paths = remaining(graph, &now.plan);
        let longer = |best: ImageId, id: ImageId| {
            if paths[id.index()] > paths[best.index()] {
                id
            } else {
                best
            }
        };
        if let Some(id) = with(Standing::Ready).reduce(longer) {
            return Some((id, false));
        }
        let all_or_nothing = self.request.options.push == Push::AllOrNothing;
        if all_or_nothing
            && now.board.iter().any(|standing| {
                !matches!(
                    standing,
                    Standing::Fresh | Standing::ReadyToPush | Standing::Pushing
                )
            })
        {
            return None;
        }
        with(Standing::ReadyToPush).next().map(|id| (id, true))
    }

    fn start_build<'s>(&mut self, scope: &'s Scope<'s, '_>, id: ImageId)
    where
        'a: 's,
    {
        let reasons = self.reasons(id);
        let name = self.name(id);
        if self.request.judgement.when_unknown == WhenUnknown::Fail
            && let Some(Reason::Unknown { why }) = reasons
                .iter()
                .find(|reason| matches!(reason, Reason::Unknown { .. }))
        {
            let error = BuildError::Failed(format!("nobody can say whether it exists: {why}"));
            self.note_job(id, &Cancel::default(), false);
            return self.build_ended(
                &name,
                Err(Trouble {
                    error,
                    log: None,
                    tail: Vec::new(),
                }),
                0.0,
            );
        }
        let Some(work) = self.work_for(id) else {
            return;
        };
        let backend = work.view.world.backends[id.index()].name().to_owned();
        self.note_job(id, &work.cancel, false);
        self.tell(Event::ImageStarted {
            image: name.clone(),
            reference: work.reference.clone(),
            backend,
            reasons: reasons.iter().map(Reason::to_string).collect(),
        });
        let (store, sender) = (self.store, self.sender.clone());
        scope.spawn(move || {
            let events = sender.clone();
            let (result, seconds) = work.assignment(store, events).build();
            let _ = sender.send(Message::Built {
                image: name,
                result,
                seconds,
            });
        });
    }

    fn start_push<'s>(&mut self, scope: &'s Scope<'s, '_>, id: ImageId)
    where
        'a: 's,
    {
        let Some(work) = self.work_for(id) else {
            return;
        };
        let (Some(artifact), image) = (self.artifact(id), self.name(id)) else {
            return;
        };
        self.note_job(id, &work.cancel, true);
        let (store, sender) = (self.store, self.sender.clone());
        scope.spawn(move || {
            let events = sender.clone();
            let (result, seconds) = work.assignment(store, events).push(&artifact);
            let _ = sender.send(Message::Pushed {
                image,
                result,
                seconds,
            });
        });
    }

    /// Why an image is built; looked up only now, because it takes a file.
    fn reasons(&mut self, id: ImageId) -> Vec<Reason> {
        let is_forced = self.forced.contains(&self.name(id));
        let Some(now) = &mut self.now else {
            return Vec::new();
        };
        if is_forced {
            return vec![Reason::Forced];
        }
        let world = &now.view.world;
        now.facts[id.index()].changes = facts::changes(
            world.setting(self.store),
            &now.view.prints,
            id,
            &now.facts[id.index()],
        );
        let plan = Plan::new(
            &world.graph,
            &world.asked,
            &now.facts,
            self.request.judgement.unforced(),
        );
        plan.get(id)
            .map(|planned| planned.reasons.clone())
            .unwrap_or_default()
    }

    fn work_for(&self, id: ImageId) -> Option<Work> {
        let now = self.now.as_ref()?;
        let world = &now.view.world;
        let base = |base: ImageId| Some((world.graph.name(base).to_owned(), self.artifact(base)?));
        Some(Work {
            view: now.view.clone(),
            id,
            reference: world.reference(&now.view.prints, id),
            bases: world.graph.bases(id).into_iter().filter_map(base).collect(),
            planned_on: now.facts[id.index()].record.clone(),
            no_cache: self.forced.contains(&self.name(id)),
            attempts: self.request.options.attempts.max(1),
            cancel: Cancel::default(),
        })
    }

    fn note_job(&mut self, id: ImageId, cancel: &Cancel, is_push: bool) {
        let Some(now) = &self.now else { return };
        let world = &now.view.world;
        let job = Job {
            key: now.view.prints.key(id),
            reference: world.reference(&now.view.prints, id),
            bases: digests(&now.facts, &world.graph.bases(id)),
            cancel: cancel.clone(),
            is_superseded: false,
            is_push,
        };
        self.jobs.insert(self.name(id), job);
    }

    pub(super) fn build_ended(
        &mut self,
        image: &str,
        result: Result<Built, Trouble>,
        seconds: f64,
    ) {
        let Some(job) = self.jobs.remove(image) else {
            return;
        };
        self.is_stale = true;
        if let Some(looking) = &mut self.looking {
            looking.ended.insert(image.to_owned());
        }
        match result {
            Ok(built) => self.built(image, &job, built, seconds),
            Err(trouble) => self.not_built(image, job, trouble, seconds),
        }
    }

    fn built(&mut self, image: &str, job: &Job, built: Built, seconds: f64) {
        let Built {
            artifact,
            by_another_run,
        } = built;
        let seconds = (!by_another_run).then_some(seconds);
        self.forced.remove(image);
        self.failed.remove(image);
        self.note_built(image, job, &artifact);
        // One that ended before it could be stopped is there, but it is not what was asked for any more.
        let event = match seconds {
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
        };
        self.tell(event);
        if let Some(wave) = self.wave.as_mut().filter(|_| !job.is_superseded) {
            wave.build(Outcome {
                image: image.to_owned(),
                key: job.key,
                artifact,
                seconds,
            });
        }
    }

    /// What is known of an image after its build.
    fn note_built(&mut self, image: &str, job: &Job, artifact: &Artifact) {
        let push = self.request.options.push;
        let Some(now) = &mut self.now else { return };
        let Some(id) = now.view.world.graph.find(image) else {
            return;
        };
        let facts = &mut now.facts[id.index()];
        if let RecordState::Found(record) = self.store.read(image) {
            facts.record = Some(*record);
        }
        facts.changes.clear();
        if facts.key == job.key
            && now.view.world.reference(&now.view.prints, id) == artifact.reference
        {
            facts.local = Existence::Present {
                key: Some(job.key.to_string()),
                digest: artifact.digest.clone(),
            };
            let spec = &now.view.world.workspace.images[id.index()].spec;
            facts.registry = push.wants(spec).then_some(Existence::Absent);
        }
    }

    fn not_built(&mut self, image: &str, job: Job, trouble: Trouble, seconds: f64) {
        if job.is_superseded {
            return;
        }
        match trouble.error {
            BuildError::Cancelled => self.tell(Event::ImageCancelled {
                image: image.to_owned(),
            }),
            BuildError::Moved { .. } => {
                // Its files are not what was looked at: it starts again after they were.
                self.tell(Event::ImageSuperseded {
                    image: image.to_owned(),
                });
                self.doubt_files(image);
            }
            _ => self.failed(image, job, trouble, seconds, ""),
        }
    }

    fn doubt_files(&mut self, image: &str) {
        let Some(now) = &self.now else { return };
        let Some(id) = now.view.world.graph.find(image) else {
            return;
        };
        let sets = now.view.world.recipes[id.index()].file_sets();
        self.hints
            .doubt(sets.map(|set| Who::Set(Arc::new(set.clone()))));
        self.quiet.touch(self.started.elapsed());
    }

    fn failed(&mut self, image: &str, job: Job, trouble: Trouble, seconds: f64, before: &str) {
        let Trouble { error, log, tail } = trouble;
        let fault = Fault {
            key: job.key,
            bases: job.bases,
        };
        self.failed.insert(image.to_owned(), fault);
        self.forced.remove(image);
        if let Some(wave) = &mut self.wave {
            wave.failed.insert(image.to_owned());
        }
        self.tell(Event::ImageFailed {
            image: image.to_owned(),
            error: format!("{before}{error}"),
            log,
            tail,
            seconds,
        });
        if self.request.options.fail_fast {
            self.is_halted = true;
            for job in self.jobs.values() {
                job.cancel.request();
            }
        }
        self.judge();
        self.tell_blocked_by(image);
    }

    fn tell_blocked_by(&mut self, image: &str) {
        let Some(now) = &self.now else { return };
        let graph = &now.view.world.graph;
        let blocked = |id: ImageId| match now.board.get(id.index()) {
            Some(Standing::Blocked(blame)) => {
                let because: Vec<String> =
                    blame.iter().map(|id| graph.name(*id).to_owned()).collect();
                because
                    .iter()
                    .any(|name| name == image)
                    .then(|| Event::ImageWaiting {
                        image: graph.name(id).to_owned(),
                        because,
                    })
            }
            _ => None,
        };
        let events: Vec<Event> = graph.ids().filter_map(blocked).collect();
        for event in events {
            self.tell(event);
        }
    }

    pub(super) fn push_ended(&mut self, image: &str, result: Result<(), Trouble>, seconds: f64) {
        let Some(job) = self.jobs.remove(image) else {
            return;
        };
        self.is_stale = true;
        if let Some(looking) = &mut self.looking {
            looking.ended.insert(image.to_owned());
        }
        if job.is_superseded {
            return;
        }
        match result {
            Ok(()) => self.pushed(image, &job, seconds),
            Err(Trouble {
                error: BuildError::Cancelled,
                ..
            }) => self.tell(Event::ImageCancelled {
                image: image.to_owned(),
            }),
            Err(trouble) => self.failed(
                image,
                job,
                trouble,
                seconds,
                "it is built, but could not be pushed: ",
            ),
        }
    }

    fn pushed(&mut self, image: &str, job: &Job, seconds: f64) {
        if let Some(now) = &mut self.now
            && let Some(id) = now.view.world.graph.find(image)
        {
            let facts = &mut now.facts[id.index()];
            if facts.key == job.key {
                let (key, digest) = (Some(job.key.to_string()), facts.digest());
                facts.registry = Some(Existence::Present { key, digest });
            }
        }
        if let Some(wave) = &mut self.wave {
            wave.pushed.insert(image.to_owned());
        }
        self.tell(Event::ImagePushed {
            image: image.to_owned(),
            reference: job.reference.clone(),
            seconds,
        });
    }

    pub(super) fn name(&self, id: ImageId) -> String {
        let now = self
            .now
            .as_ref()
            .expect("an image has a graph that it is of");
        now.view.world.graph.name(id).to_owned()
    }

    /// What an image is that is there.
    pub(super) fn artifact(&self, id: ImageId) -> Option<Artifact> {
        let now = self.now.as_ref()?;
        let world = &now.view.world;
        Some(Artifact {
            backend: world.backends[id.index()].name().to_owned(),
            reference: world.reference(&now.view.prints, id),
            digest: now.facts[id.index()].digest(),
        })
    }
}

impl Work {
    fn assignment<'w>(
        &'w self,
        store: &'w crate::store::Store,
        events: std::sync::mpsc::SyncSender<Message>,
    ) -> Assignment<'w> {
        let world = &self.view.world;
        Assignment {
            image: world.graph.name(self.id),
            recipe: &world.recipes[self.id.index()],
            backend: Arc::clone(&world.backends[self.id.index()]),
            key: self.view.prints.key(self.id),
            files: self.view.prints.files(self.id).to_vec(),
            reference: self.reference.clone(),
            bases: self.bases.clone(),
            base_keys: self.view.prints.bases(self.id).to_vec(),
            planned_on: self.planned_on.clone(),
            no_cache: self.no_cache,
            attempts: self.attempts,
            root: &world.workspace.root,
            store,
            cancel: self.cancel.clone(),
            tell: Arc::new(move |event| drop(events.send(Message::Event(event)))),
        }
    }
}
