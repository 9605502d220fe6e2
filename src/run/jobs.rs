//! The builds and pushes that go on: each on a worker of a pool of `--jobs` threads, with what it was started for.
//!
//! The pool is one of its own, so hashing, on another, never waits behind a build. Workers never call `par_iter`: a worker of
//! rayon's that waits runs other jobs meanwhile, which here would be other builds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use rayon::ThreadPool;

use super::worker::{Assignment, Built};
use super::{Event, Message, Trouble};
use crate::backend::{Artifact, Cancel};
use crate::fingerprint::Key;
use crate::graph::ImageId;
use crate::store::{Record, Store};
use crate::world::View;

/// No thread can be started for builds.
#[derive(Debug, thiserror::Error)]
#[error("no {jobs} threads can be started to build: {why}")]
pub struct NoWorkers {
    jobs: usize,
    why: String,
}

/// All that goes on.
pub(crate) struct Jobs {
    pool: ThreadPool,
    most: usize,
    store: Store,
    messages: SyncSender<Message>,
    running: BTreeMap<String, Job>,
}

/// A build or push that goes on.
pub(crate) struct Job {
    /// What the image was when it was started.
    pub(crate) is: Identity,
    pub(crate) reference: String,
    pub(crate) is_push: bool,
    /// Its result is not wanted any more.
    pub(crate) is_superseded: bool,
    cancel: Cancel,
}

/// An image with what it is built on: whatever failed for one may go well for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) key: Key,
    /// The digests of its bases.
    pub(crate) bases: Vec<String>,
}

/// What a worker is given. It borrows nothing: the view may be another before the work ends.
pub(super) struct Work {
    pub(super) view: Arc<View>,
    pub(super) id: ImageId,
    pub(super) is: Identity,
    pub(super) bases: BTreeMap<String, Artifact>,
    pub(super) planned_on: Option<Record>,
    pub(super) no_cache: bool,
    pub(super) attempts: u32,
    /// What is pushed; none to build it.
    pub(super) push: Option<Artifact>,
}

/// How a build or a push ended.
pub(crate) struct Ended {
    pub(crate) image: String,
    pub(super) result: Result<Done, Trouble>,
    pub(super) seconds: f64,
}

/// What a worker did.
pub(super) enum Done {
    Built(Built),
    Pushed,
}

impl Jobs {
    pub(crate) fn new(
        most: usize,
        store: Store,
        messages: SyncSender<Message>,
    ) -> Result<Self, NoWorkers> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(most.max(1))
            .thread_name(|at| format!("build-{at}"))
            .build()
            .map_err(|error| NoWorkers {
                jobs: most,
                why: error.to_string(),
            })?;
        Ok(Self {
            pool,
            most: most.max(1),
            store,
            messages,
            running: BTreeMap::new(),
        })
    }

    pub(super) fn has_room(&self) -> bool {
        self.running.len() < self.most
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Job)> {
        self.running.iter()
    }

    /// Hands work to a free worker; its end comes as a message.
    pub(super) fn start(&mut self, work: Work) {
        let image = work.view.name(work.id).to_owned();
        let cancel = Cancel::default();
        let job = Job {
            is: work.is.clone(),
            reference: work.view.reference(work.id),
            is_push: work.push.is_some(),
            is_superseded: false,
            cancel: cancel.clone(),
        };
        self.running.insert(image.clone(), job);
        let (store, messages) = (self.store.clone(), self.messages.clone());
        self.pool.spawn_fifo(move || {
            let (result, seconds) = work.carry_out(&store, cancel, &messages);
            // The owner outlives its workers; when it is gone nobody is left to tell.
            let _ = messages.send(Message::Ended(Ended {
                image,
                result,
                seconds,
            }));
        });
    }

    /// Takes out what has ended.
    pub(super) fn take(&mut self, image: &str) -> Option<Job> {
        self.running.remove(image)
    }

    /// Asks all that goes on to stop; a second time, at once.
    pub(super) fn stop(&self) {
        for job in self.running.values() {
            job.cancel.request();
        }
    }

    /// Stops what is not wanted any more, and returns the images.
    pub(super) fn supersede(&mut self, is_wanted: impl Fn(&str, &Job) -> bool) -> Vec<String> {
        let running = self.running.iter_mut();
        let unwanted = running.filter(|(name, job)| !job.is_superseded && !is_wanted(name, job));
        let stop = |(name, job): (&String, &mut Job)| {
            job.is_superseded = true;
            job.cancel.request();
            name.clone()
        };
        unwanted.map(stop).collect()
    }
}

impl Work {
    fn carry_out(
        &self,
        store: &Store,
        cancel: Cancel,
        messages: &SyncSender<Message>,
    ) -> (Result<Done, Trouble>, f64) {
        let events = messages.clone();
        let (view, id) = (&self.view, self.id);
        let assignment = Assignment {
            image: view.name(id),
            recipe: &view.world.recipes[id.index()],
            backend: Arc::clone(&view.world.backends[id.index()]),
            key: self.is.key,
            files: view.prints.files(id).to_vec(),
            reference: view.reference(id),
            bases: self.bases.clone(),
            base_keys: view.prints.bases(id).to_vec(),
            planned_on: self.planned_on.clone(),
            no_cache: self.no_cache,
            attempts: self.attempts.max(1),
            root: &view.world.workspace.root,
            store,
            cancel,
            tell: Arc::new(move |event: Event| drop(events.send(Message::Event(event)))),
        };
        match &self.push {
            None => {
                let (result, seconds) = assignment.build();
                (result.map(Done::Built), seconds)
            }
            Some(artifact) => {
                let (result, seconds) = assignment.push(artifact);
                (result.map(|()| Done::Pushed), seconds)
            }
        }
    }
}
