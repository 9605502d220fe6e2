//! How those who are not on the keeper's thread reach it: looks, keys, hooks, sources of change.

use std::sync::mpsc::{Sender, SyncSender};

use super::look::Looked;
use crate::run::Event;
use crate::run::mailbox::Message;

/// What only a watch hears of.
pub(super) enum Ring {
    /// A look ended; with words if it did not end well.
    Looked(Result<Looked, String>),
    Key(char),
}

/// Wakes the keeper, from any thread.
#[derive(Clone)]
pub(super) struct Bell {
    pub(super) heard: Sender<Ring>,
    pub(super) messages: SyncSender<Message>,
}

impl Bell {
    pub(super) fn ring(&self, heard: Ring) {
        // A keeper that is gone needs to know nothing.
        let _ = self.heard.send(heard);
        self.wake();
    }

    /// Never waits: a keeper with a full box is awake.
    pub(super) fn wake(&self) {
        let _ = self.messages.try_send(Message::Wake);
    }

    /// Has the keeper tell an event.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.messages.send(Message::Event(event));
    }
}
