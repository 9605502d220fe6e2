//! The channel through which the owner of a run or watch receives everything, and the sink for its events.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::claims::Unclaimed;
use super::event::Event;
use super::log::JobError;
use super::worker::Done;
use crate::cancel::Cancel;
use crate::fingerprint::FileReader;

pub(crate) enum Message {
    /// Something happened in a build.
    Event(Event),
    Ended(Ended),
    /// Another runner is no longer waited for.
    Unclaimed(Unclaimed),
    /// The user requested to stop.
    Interrupt,
    /// The process was resumed after being stopped.
    Continued,
    /// The user pressed a key, or a button that stands for it.
    Key(char),
    /// Another source has news to poll for.
    Wake,
}

pub(crate) struct Ended {
    pub(crate) image: String,
    pub(super) result: Result<Done, JobError>,
    pub(super) seconds: f64,
}

/// The inbox of a run or a watch. Made before it, so that signals have somewhere to go.
pub struct Mailbox {
    pub(crate) sender: SyncSender<Message>,
    pub(crate) receiver: Receiver<Message>,
    pub(crate) end: End,
}

/// What an interrupt cancels directly on the signal's thread: the run's owner may be blocked on exactly that.
#[derive(Clone, Default)]
pub(crate) struct End {
    /// Cancels queries.
    pub(crate) cancel: Cancel,
    /// The file reader, during a run.
    reader: Arc<Mutex<Option<Arc<FileReader>>>>,
}

impl End {
    pub(crate) fn set_reader(&self, reader: Option<Arc<FileReader>>) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = reader;
    }

    /// Cancels queries and file reading.
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
        // Bounded: a builder that prints faster than the terminal shows has to wait instead of filling memory.
        let (sender, receiver) = sync_channel(512);
        Self {
            sender,
            receiver,
            end: End::default(),
        }
    }
}

impl Mailbox {
    /// Returns a handle for signal handlers.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.sender.clone(), self.end.clone())
    }

    /// Returns a handle for buttons.
    pub fn remote(&self) -> Remote {
        Remote(self.sender.clone())
    }
}

/// Passes signals to a run or watch; harmless after its end.
#[derive(Clone)]
pub struct Interrupter(SyncSender<Message>, End);

impl Interrupter {
    /// Stops the run: gracefully the first time, at once the second time.
    pub fn interrupt(&self) {
        self.1.request();
        // A run that has ended does not listen, which is fine.
        let _ = self.0.send(Message::Interrupt);
    }

    /// To be called when the process is resumed: other processes may have used the terminal.
    pub fn continued(&self) {
        let _ = self.0.send(Message::Continued);
    }
}

/// Does what keys of a watch do; harmless in a build, and after the end.
#[derive(Clone)]
pub struct Remote(SyncSender<Message>);

impl Remote {
    /// Tries failed images again or, if none failed, rebuilds those that changed last.
    pub fn rebuild(&self) {
        let _ = self.0.send(Message::Key('r'));
    }

    /// Pauses the watch, or resumes it.
    pub fn pause(&self) {
        let _ = self.0.send(Message::Key('p'));
    }
}

type Report<'r> = &'r mut dyn FnMut(&Event);

/// The event sink, shared by the parts of one run, which all live on one thread.
#[derive(Clone)]
pub(crate) struct Reporter<'r>(Rc<RefCell<Report<'r>>>);

impl<'r> Reporter<'r> {
    pub(crate) fn new(report: Report<'r>) -> Self {
        Self(Rc::new(RefCell::new(report)))
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "events are constructed at the call"
    )]
    pub(crate) fn emit(&self, event: Event) {
        (self.0.borrow_mut())(&event);
    }
}
