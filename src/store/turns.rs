//! Who may write records: one process at a time, and one thread of it.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::disk::dir::{Dir, Share};

/// How often a waiting thread looks whether it should give up.
const PAUSE: Duration = Duration::from_millis(50);

/// Held while a record is written.
pub(super) const WRITING: &str = "store.lock";

/// The right to write records, until dropped.
pub(super) struct Writing<'a> {
    turns: &'a Turns,
    file: Option<File>,
}

/// Turns of the threads of one process: they are woken, whereas other processes have to be asked again and again.
#[derive(Debug, Default)]
pub(super) struct Turns {
    is_taken: Mutex<bool>,
    given_back: Condvar,
}

impl Turns {
    /// The right to write records, once nobody else has it.
    pub(super) fn writing(
        &self,
        own: &Dir,
        mut waiting: impl FnMut() -> ControlFlow<()>,
    ) -> io::Result<Writing<'_>> {
        let given_up = || {
            let why = "another run is writing its records, and this one was interrupted";
            io::Error::new(io::ErrorKind::Interrupted, why)
        };
        if !self.take(&mut waiting) {
            return Err(given_up());
        }
        let locked = own.lock(WRITING, Share::Nobody, &mut waiting);
        match locked.and_then(|file| file.ok_or_else(given_up)) {
            Ok(file) => Ok(Writing {
                turns: self,
                file: Some(file),
            }),
            Err(error) => {
                self.give_back();
                Err(error)
            }
        }
    }

    /// Waits for the turn; whether it came before `waiting` broke.
    fn take(&self, waiting: &mut dyn FnMut() -> ControlFlow<()>) -> bool {
        let mut is_taken = self.is_taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *is_taken {
            if waiting().is_break() {
                return false;
            }
            let woken = self.given_back.wait_timeout(is_taken, PAUSE);
            (is_taken, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        *is_taken = true;
        true
    }

    fn give_back(&self) {
        *self.is_taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.given_back.notify_one();
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // First, or whoever is woken finds it locked.
        drop(self.file.take());
        self.turns.give_back();
    }
}
