//! Where everything arrives that the owner of a run or of a watch hears of, and how it tells what happens.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::event::Event;
use super::worker::{Done, JobError};
use crate::cancel::Cancel;
use crate::fingerprint::FileReader;

pub(crate) enum Message {
    /// Something happened in a build or beside it.
    Event(Event),
    Ended(Ended),
    /// The user wants an end.
    Interrupt,
    /// The program was stopped and goes on.
    Continued,
    /// Whoever is heard elsewhere has something to say.
    Wake,
}

pub(crate) struct Ended {
    pub(crate) image: String,
    pub(super) result: Result<Done, JobError>,
    pub(super) seconds: f64,
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
