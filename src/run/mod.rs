//! Plan → Events and Records: one coordinator that owns all state, workers that build, and the clean end of both.
//!
//! Knows nothing of screens and of what builders do. The choice made: the coordinator runs on the calling thread and hears
//! of everything through one channel; workers are a rayon pool of `jobs` threads of its own (hashing never waits behind a
//! build), and nothing but the coordinator changes the state of the run.

mod coordinator;
pub mod event;
mod scheduler;
pub(crate) mod worker;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

pub use event::Event;
pub(crate) use scheduler::remaining;
pub use scheduler::{Ending, Scheduler, State};

use crate::backend::{Artifact, Backend, BuildError};
use crate::fingerprint::{FileReader, Key};
use crate::graph::{Graph, ImageId};
use crate::recipe::Recipe;
use crate::spec::ImageSpec;
use crate::store::Store;
use crate::workspace::Workspace;

/// What a run stands on: everything that does not change while it goes on.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// The images.
    pub workspace: &'a Workspace,
    /// Who needs whom.
    pub graph: &'a Graph,
    /// What each is made of, in the order of the ids.
    pub recipes: &'a [Recipe],
    /// Who builds each, in the order of the ids.
    pub backends: &'a [Arc<dyn Backend>],
    /// Where records are kept.
    pub store: &'a Store,
}

/// When results go to their registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Push {
    /// Never.
    #[default]
    No,
    /// Each as soon as it is built.
    Each,
    /// All, after the last one was built; none when one failed.
    AllOrNothing,
    /// Each as soon as it is built, but only those that flytekit names: what its own variable asks for.
    Flytekit,
}

impl Push {
    /// Whether an image is to be in its registry.
    #[must_use]
    pub fn wants(self, spec: &ImageSpec) -> bool {
        let is_meant = match self {
            Self::No => false,
            Self::Each | Self::AllOrNothing => true,
            Self::Flytekit => spec.flytekit.is_some(),
        };
        is_meant && spec.registry.is_some()
    }
}

/// How to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many images are built at once, at least 1.
    pub jobs: usize,
    /// Whether the first failure stops everything.
    pub fail_fast: bool,
    /// When to push.
    pub push: Push,
    /// How often an image is tried in all when failures are passing ones, at least 1.
    pub attempts: u32,
}

impl Default for Options {
    /// Builds mostly wait: for processes to start, for layers to be written, for the network.
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            jobs: (2 * processors).max(8),
            fail_fast: false,
            push: Push::No,
            attempts: 3,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Every image of the plan that is there now, fresh or built, in the order of the plan.
    pub images: Vec<Outcome>,
    /// Ids of the images that failed to build or to be pushed.
    pub failed: Vec<String>,
    /// Ids of the images that were skipped because of them.
    pub skipped: Vec<String>,
    /// Ids of the images that were stopped.
    pub cancelled: Vec<String>,
    /// Whether the user interrupted it.
    pub interrupted: bool,
}

/// What became of one image.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The image's id.
    pub image: String,
    /// Its key.
    pub key: Key,
    /// What was built or found.
    pub artifact: Artifact,
    /// How long its build took; none when it was fresh.
    pub seconds: Option<f64>,
}

/// What reaches the coordinator.
enum Message {
    Event(Event),
    Built {
        id: ImageId,
        result: Result<worker::Built, Trouble>,
        seconds: f64,
    },
    Pushed {
        id: ImageId,
        result: Result<(), Trouble>,
        seconds: f64,
    },
    Interrupt,
}

/// Why a worker came back without a result.
pub(crate) struct Trouble {
    pub(crate) error: BuildError,
    pub(crate) log: Option<String>,
    pub(crate) tail: Vec<String>,
}

/// A channel for all that happens while images are built.
pub(crate) fn channel<T>() -> (SyncSender<T>, Receiver<T>) {
    // Bounded, so that a builder that prints faster than the screen can follow waits instead of filling the memory.
    sync_channel(4096)
}

/// Where everything that concerns a run arrives; made before the run so that signals have somewhere to go.
pub struct Mailbox {
    sender: SyncSender<Message>,
    receiver: Receiver<Message>,
    reading: Reading,
}

/// What reads the files of a run, while there is one: an interrupt does not wait until it is done.
#[derive(Clone, Default)]
struct Reading(Arc<Mutex<Option<Arc<FileReader>>>>);

impl Reading {
    fn set(&self, reader: Option<Arc<FileReader>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reader;
    }

    fn stop(&self) {
        let reader = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = reader.as_ref() {
            reader.stop();
        }
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Self {
            sender,
            receiver,
            reading: Reading::default(),
        }
    }
}

impl Mailbox {
    /// A handle that interrupts the run: the first time politely, the second time at once.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.sender.clone(), self.reading.clone())
    }
}

/// Interrupts a run; may be kept and used after the run ended, without effect.
#[derive(Clone)]
pub struct Interrupter(SyncSender<Message>, Reading);

impl Interrupter {
    /// Interrupts.
    pub fn interrupt(&self) {
        self.1.stop();
        // A run that has ended hears nothing: that is right.
        let _ = self.0.send(Message::Interrupt);
    }
}

pub use coordinator::run;
