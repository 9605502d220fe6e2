//! How other threads (looks, hooks, change sources) notify the keeper.

use std::sync::mpsc::{Sender, SyncSender};

use super::look::Looked;
use crate::run::Event;
use crate::run::mailbox::Message;

/// How a look ended; the error is a message for the user.
pub(super) type Ending = Result<Looked, String>;

/// Notifies the keeper from any thread.
#[derive(Clone)]
pub(super) struct Bell {
    pub(super) heard: Sender<Ending>,
    pub(super) messages: SyncSender<Message>,
}

impl Bell {
    pub(super) fn ring(&self, heard: Ending) {
        // If the keeper is gone, nobody needs the notification.
        let _ = self.heard.send(heard);
        self.wake();
    }

    /// Passes a key on.
    pub(super) fn press(&self, key: char) {
        let _ = self.messages.send(Message::Key(key));
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
