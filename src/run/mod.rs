//! Plan → Events and Records: one engine for `graph build` and for `watch`, and the workers that it gives images to.
//!
//! Knows nothing of screens and of what builders do. [`run`] is one wave with nothing that changes meanwhile; a watch is the same
//! engine with sources on top. All state is owned by one thread, which hears of everything through one channel: there is
//! nothing to lock.

mod again;
mod board;
pub(crate) mod engine;
pub mod event;
pub(crate) mod jobs;
pub(crate) mod manner;
pub(crate) mod state;
pub(crate) mod wave;
mod waves;
pub(crate) mod worker;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

pub use event::Event;

use crate::backend::{Artifact, BuildError, Cancel};
use crate::fingerprint::{FileReader, Key};
pub use crate::plan::Push;
use crate::plan::{Facts, Plan};
use crate::store::Store;
use crate::world::View;
use engine::Engine;
pub use jobs::NoWorkers;
use jobs::{Ended, Jobs};
use state::Rules;

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

/// What reaches the owner of a run.
pub(crate) enum Message {
    /// Something happened in a build or beside it.
    Event(Event),
    /// A build or a push ended.
    Ended(Ended),
    /// The user wants an end.
    Interrupt,
    /// The program was stopped and goes on.
    Continued,
    /// Whoever is heard elsewhere has something to say.
    Wake,
}

/// Why a worker came back without a result.
pub(crate) struct Trouble {
    pub(crate) error: BuildError,
    pub(crate) log: Option<String>,
    pub(crate) tail: Vec<String>,
}

impl Trouble {
    /// Without anything to read on.
    pub(crate) fn plain(error: BuildError) -> Self {
        Self {
            error,
            log: None,
            tail: Vec::new(),
        }
    }
}

/// Where everything that concerns a run or a watch arrives; made before it so that signals have somewhere to go.
pub struct Mailbox {
    pub(crate) sender: SyncSender<Message>,
    pub(crate) receiver: Receiver<Message>,
    pub(crate) end: End,
}

/// What an interrupt ends on the thread that hears it: the owner of a run may be waiting for just that.
#[derive(Clone, Default)]
pub(crate) struct End {
    /// Whether answers are wanted no more.
    pub(crate) cancel: Cancel,
    /// What reads files, while there is a run.
    reader: Arc<Mutex<Option<Arc<FileReader>>>>,
}

impl End {
    /// What reads files now.
    pub(crate) fn set_reader(&self, reader: Option<Arc<FileReader>>) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = reader;
    }

    /// Nobody wants answers and files any more.
    pub(crate) fn request(&self) {
        self.cancel.request();
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = reader.as_ref() {
            reader.stop();
        }
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        // Bounded, so that a builder that prints faster than the screen can follow waits instead of filling the memory.
        let (sender, receiver) = sync_channel(4096);
        Self {
            sender,
            receiver,
            end: End::default(),
        }
    }
}

impl Mailbox {
    /// A handle for signals.
    #[must_use]
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.sender.clone(), self.end.clone())
    }
}

/// Tells a run or a watch of signals; may be kept and used after its end, without effect.
#[derive(Clone)]
pub struct Interrupter(SyncSender<Message>, End);

impl Interrupter {
    /// Ends the run: the first time politely, the second time at once.
    pub fn interrupt(&self) {
        self.1.request();
        // A run that has ended hears nothing: that is right.
        let _ = self.0.send(Message::Interrupt);
    }

    /// The program was stopped and goes on: the terminal may have been used by others.
    pub fn continued(&self) {
        let _ = self.0.send(Message::Continued);
    }
}

/// Whoever is told of events.
type Report<'r> = &'r mut dyn FnMut(&Event);

/// Tells events; shared by the parts of one run, which all live on one thread.
#[derive(Clone)]
pub(crate) struct Teller<'r>(Rc<RefCell<Report<'r>>>);

impl<'r> Teller<'r> {
    pub(crate) fn new(report: Report<'r>) -> Self {
        Self(Rc::new(RefCell::new(report)))
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "events are made where they are told"
    )]
    pub(crate) fn tell(&self, event: Event) {
        (self.0.borrow_mut())(&event);
    }
}

/// Runs a plan to its end: every image is built, failed, skipped or cancelled, and everything was told to `report`.
///
/// # Errors
/// When no worker can be started; nothing has been begun then.
pub fn run(
    view: View,
    plan: Plan,
    facts: Vec<Facts>,
    store: Store,
    options: Options,
    mailbox: Mailbox,
    report: &mut dyn FnMut(&Event),
) -> Result<Summary, NoWorkers> {
    let Mailbox {
        sender,
        receiver,
        end,
    } = mailbox;
    let reader = Arc::clone(view.prints.reader());
    end.set_reader(Some(Arc::clone(&reader)));
    let teller = Teller::new(report);
    let jobs = Jobs::new(options.jobs, store, sender)?;
    let rules = Rules::of_a_build(options);
    let mut engine = Engine::new(rules, (view, facts, plan), jobs, teller);
    engine.begin();
    loop {
        engine.turn(true);
        if engine.is_done() {
            break;
        }
        match receiver.recv() {
            Ok(Message::Event(event)) => engine.tell(event),
            Ok(Message::Ended(ended)) => {
                if let Some(moved) = engine.ended(ended) {
                    engine.begin_again(moved);
                }
            }
            Ok(Message::Interrupt) => engine.interrupt(),
            Ok(Message::Continued | Message::Wake) => {}
            Err(_) => break,
        }
    }
    let summary = engine.end_wave().summary;
    end.set_reader(None);
    reader.go_on();
    Ok(summary)
}
