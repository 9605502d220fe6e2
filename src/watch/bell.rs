//! How other threads (looks, keys, hooks, change sources) notify the keeper.

use std::sync::mpsc::{Sender, SyncSender};

use super::look::Looked;
use crate::run::Event;
use crate::run::mailbox::Message;

/// A notification that only a watch receives.
pub(super) enum Ring {
    /// A look ended; the error is a message for the user.
    Looked(Result<Looked, String>),
    Key(char),
}

/// Notifies the keeper from any thread.
#[derive(Clone)]
pub(super) struct Bell {
    pub(super) heard: Sender<Ring>,
    pub(super) messages: SyncSender<Message>,
}

impl Bell {
    pub(super) fn ring(&self, heard: Ring) {
        // If the keeper is gone, nobody needs the notification.
        let _ = self.heard.send(heard);
        self.wake();
    }

    /// Never blocks: a keeper with a full mailbox is awake anyway.
    pub(super) fn wake(&self) {
        let _ = self.messages.try_send(Message::Wake);
    }

    /// Has the keeper report an event.
    pub(super) fn emit(&self, event: Event) {
        let _ = self.messages.send(Message::Event(event));
    }
}
