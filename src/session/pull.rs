//! Brings images from their registries: those that exist there with their current key. Builds nothing.
//!
//! Records come along, also those of images that are not there: what changed since is then known without asking again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use super::{Obstacle, Session};
use crate::asking::Asker;
use crate::backend::{Artifact, BuildError, Existence, StoreKind, waiting};
use crate::cancel::Cancel;
use crate::disk::system_words;
use crate::fingerprint::Input;
use crate::graph::ImageId;
use crate::plan::{Facts, Push, facts, memory};
use crate::run::attempts::Attempts;
use crate::run::log::{Emit, JobError, Log};
use crate::run::{Event, Options};
use crate::store::{Record, RecordState, Store};

/// What became of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum PullState {
    /// It was here before.
    Present,
    /// It was brought, in this many seconds.
    Pulled(f64),
    /// Its registry does not have it with its current key.
    Absent,
    /// It has no registry.
    NoRegistry,
    /// Whether it is here or there could not be determined, for this reason.
    Unknown(String),
    /// It could not be brought, for this reason.
    Failed(String),
    /// The user interrupted.
    Cancelled,
}

/// An image that is to be brought.
struct Wanted {
    id: ImageId,
    /// Its digest in the registry.
    digest: String,
    /// What the registry knows of its build.
    record: Option<Box<Record>>,
}

/// What the threads that bring images report.
enum Message {
    Event(Event),
    Done(ImageId, PullState),
}

impl Session {
    /// Brings those of the `asked` images that their registries have, at most `jobs` at once, and reports events. Returns what became of
    /// each, in graph order.
    ///
    /// # Errors
    ///
    /// Fails before anything is brought, if the state directory cannot be used.
    pub fn pull(
        &self,
        asked: &BTreeSet<ImageId>,
        jobs: usize,
        (cancel, by): (&Cancel, Asker<'_>),
        report: &mut dyn FnMut(&Event),
    ) -> Result<Vec<(ImageId, PullState)>, Obstacle> {
        let store = Store::open(&self.world.workspace.root);
        let store = store.map_err(|error| Obstacle::state(&error))?;
        let (world, prints) = (&self.world, &self.prints);
        let found = facts::of(world, prints, &store, asked, Push::Each, by);
        let mut records = self.recall(&found, &store, (cancel, by), report);
        let mut states: BTreeMap<ImageId, PullState> = BTreeMap::new();
        let mut wanted = Vec::new();
        for (id, facts) in &found {
            let (id, record) = (*id, records.remove(id));
            let state = stand(facts);
            if let (None, Some(digest)) = (&state, there(facts)) {
                let digest = digest.to_owned();
                wanted.push(Wanted { id, digest, record });
            } else if let (Some(PullState::Present), Some(record)) = (&state, record) {
                let artifact = self.artifact_of(id, facts);
                let kept = self.keep(id, *record, artifact, &store, cancel);
                warn(kept, report);
            }
            states.insert(id, state.unwrap_or(PullState::Cancelled));
        }
        self.bring_all(
            (&wanted, jobs),
            &store,
            cancel,
            &mut |message| match message {
                Message::Event(event) => report(&event),
                Message::Done(id, state) => drop(states.insert(id, state)),
            },
        );
        let order = self.world.graph.order().iter();
        Ok(order
            .filter_map(|id| Some((*id, states.remove(id)?)))
            .collect())
    }

    /// The records that registries have of these images, as far as they say more than the records here: of what is there with its
    /// current key. Those of other images are kept here at once, if there are none.
    fn recall(
        &self,
        found: &[(ImageId, Facts)],
        store: &Store,
        (cancel, by): (&Cancel, Asker<'_>),
        report: &mut dyn FnMut(&Event),
    ) -> BTreeMap<ImageId, Box<Record>> {
        let question = |(id, facts): &(ImageId, Facts)| {
            let own = facts.record.as_ref();
            match there(facts) {
                Some(_) if own.is_some_and(|own| own.key == facts.key) => None,
                Some(digest) => Some((*id, Some(digest.to_owned()))),
                None => (own.is_none() && facts.registry.is_some()).then_some((*id, None)),
            }
        };
        let questions: Vec<(ImageId, Option<String>)> = found.iter().filter_map(question).collect();
        let answers = memory::recall(&self.world, &self.prints, &questions, by);
        let (mut records, mut unasked) = (BTreeMap::new(), BTreeSet::new());
        for ((id, digest), answer) in questions.into_iter().zip(answers) {
            match answer {
                Err(why) => drop(unasked.replace(why)),
                Ok(sent) => {
                    let RecordState::Found(record) = sent.record else {
                        continue;
                    };
                    if digest.is_some() && record.key == self.prints.key(id) {
                        records.insert(id, record);
                    } else if let (None, Some(inputs)) = (digest, sent.inputs) {
                        warn(write(store, &record, &inputs, cancel), report);
                    }
                }
            }
        }
        for why in unasked {
            let message = memory::unasked_words(&why);
            report(&Event::Warning { message });
        }
        records
    }

    /// Brings images, with a few threads.
    fn bring_all(
        &self,
        (wanted, jobs): (&[Wanted], usize),
        store: &Store,
        cancel: &Cancel,
        hear: &mut dyn FnMut(Message),
    ) {
        let next = AtomicUsize::new(0);
        let (sender, messages) = mpsc::channel();
        let work = |sender: &Sender<Message>| {
            let events = sender.clone();
            let emit: Emit = Arc::new(move |event| drop(events.send(Message::Event(event))));
            while let Some(one) = wanted.get(next.fetch_add(1, Ordering::Relaxed))
                && !cancel.is_requested()
            {
                let state = self.bring(one, store, &emit, cancel);
                drop(sender.send(Message::Done(one.id, state)));
            }
        };
        thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, wanted.len().max(1)) {
                let sender = sender.clone();
                let work = &work;
                scope.spawn(move || work(&sender));
            }
            drop(sender);
            messages.iter().for_each(hear);
        });
    }

    fn bring(&self, one: &Wanted, store: &Store, emit: &Emit, cancel: &Cancel) -> PullState {
        let image = self.world.graph.name(one.id).to_owned();
        let (key, reference) = (self.prints.key(one.id), self.reference(one.id));
        let started = Instant::now();
        let pulled = Log::open(store, &image, &format!("{image}.pull"), emit).and_then(|log| {
            let job = self.job(one.id, &key, &reference, BTreeMap::new());
            let backend = &self.world.backends[one.id.index()];
            let attempts = Attempts {
                most: Options::default().attempts,
                log: &log,
                cancel,
            };
            attempts.at(|| backend.pull(&job, &one.digest, &log, cancel))
        });
        let seconds = started.elapsed().as_secs_f64();
        match pulled {
            Ok(artifact) => {
                if let Some(record) = one.record.as_deref() {
                    let kept = self.keep(one.id, record.clone(), artifact, store, cancel);
                    warn(kept, &mut |event| emit(event.clone()));
                }
                emit(Event::ImagePulled {
                    image,
                    reference,
                    seconds,
                });
                PullState::Pulled(seconds)
            }
            Err(JobError {
                error: BuildError::Cancelled,
                ..
            }) => {
                emit(Event::ImageCancelled { image });
                PullState::Cancelled
            }
            Err(JobError { error, log, tail }) => {
                let why = error.to_string();
                emit(Event::ImageFailed {
                    image,
                    error: why.clone(),
                    place: None,
                    log,
                    tail,
                    seconds,
                });
                PullState::Failed(why)
            }
        }
    }

    /// Keeps the record of an image that is here now. Digests of bases are those of the machine that built it, which may have another
    /// kind of store, so they are left out.
    fn keep(
        &self,
        id: ImageId,
        record: Record,
        artifact: Artifact,
        store: &Store,
        cancel: &Cancel,
    ) -> Result<(), String> {
        let record = Record {
            artifact,
            bases: Vec::new(),
            stored: BTreeSet::from([StoreKind::Local, StoreKind::Registry]),
            ..record
        };
        let inputs = self.prints.inputs(id, &self.world.recipes[id.index()]);
        write(store, &record, &inputs, cancel)
    }

    fn artifact_of(&self, id: ImageId, facts: &Facts) -> Artifact {
        Artifact {
            backend: self.world.backends[id.index()].name().to_owned(),
            reference: self.reference(id),
            digest: facts.digest(),
            size: facts.size(),
        }
    }
}

/// What becomes of an image that is not brought; `None` if it is to be.
fn stand(facts: &Facts) -> Option<PullState> {
    if facts.local.has(&facts.key) {
        return Some(PullState::Present);
    }
    match (&facts.registry, &facts.local) {
        (None, _) => Some(PullState::NoRegistry),
        (Some(Existence::Unknown { why }), _) => Some(PullState::Unknown(why.clone())),
        (Some(_), _) if there(facts).is_none() => Some(PullState::Absent),
        (Some(_), Existence::Unknown { why }) => Some(PullState::Unknown(why.clone())),
        (Some(_), _) => None,
    }
}

/// The digest of an image that its registry has with its current key.
pub(super) fn there(facts: &Facts) -> Option<&str> {
    match &facts.registry {
        Some(found @ Existence::Present { digest, .. }) if found.has(&facts.key) => Some(digest),
        _ => None,
    }
}

fn write(store: &Store, record: &Record, inputs: &[Input], cancel: &Cancel) -> Result<(), String> {
    let written = store.write(record, inputs, waiting(cancel, || {}));
    written.map_err(|error| {
        let (image, why) = (&record.image, system_words(&error));
        format!("the record of `{image}` could not be kept: {why}")
    })
}

fn warn(done: Result<(), String>, report: &mut dyn FnMut(&Event)) {
    if let Err(message) = done {
        report(&Event::Warning { message });
    }
}
