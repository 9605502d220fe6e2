//! Locks between processes: one for writing records, one an image while it is built.
//!
//! They are files of their own, never those that are replaced.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::name::file_name;
use super::{Dir, LOCKS, Share, Store};

/// How often a waiting thread looks whether it should give up.
const PAUSE: Duration = Duration::from_millis(50);

/// Held while a record is written.
pub(super) const WRITING: &str = "store.lock";

/// The right to build an image, until dropped.
#[derive(Debug)]
#[must_use = "dropped, it lets others build the image"]
pub struct ImageLock {
    _file: File,
    /// Whether another run held the lock meanwhile: the record may be new.
    pub waited: bool,
}

impl Store {
    /// Waits until no other run builds this image. `waiting` is called before each further try; none is returned when it
    /// breaks. After waiting, the record is to be read again: the other run may have built just this.
    ///
    /// # Errors
    /// When the lock's file cannot be opened or locked.
    pub fn lock_image(
        &self,
        image: &str,
        mut waiting: impl FnMut() -> ControlFlow<()>,
    ) -> io::Result<Option<ImageLock>> {
        let mut waited = false;
        let mut again = || {
            waited = true;
            waiting()
        };
        let locks = self.place.join(LOCKS).make()?;
        let Some(file) = locks.lock(&lock_name(image), Share::Nobody, &mut again)? else {
            return Ok(None);
        };
        self.drop_old_contexts(image);
        Ok(Some(ImageLock {
            _file: file,
            waited,
        }))
    }

    /// Locks an image if nobody has it locked.
    pub(super) fn try_lock(&self, image: &str) -> io::Result<Option<File>> {
        let locks = self.place.join(LOCKS).make()?;
        locks.try_lock(&lock_name(image), Share::Nobody)
    }
}

/// The file of an image's lock.
pub(super) fn lock_name(image: &str) -> String {
    file_name(image) + ".lock"
}

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

impl Store {
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
        let turns = &*self.turns;
        if !turns.take(&mut waiting) {
            return Err(given_up());
        }
        let locked = own.lock(WRITING, Share::Nobody, &mut waiting);
        match locked.and_then(|file| file.ok_or_else(given_up)) {
            Ok(file) => Ok(Writing {
                turns,
                file: Some(file),
            }),
            Err(error) => {
                turns.give_back();
                Err(error)
            }
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        // First, or whoever is woken finds it locked.
        drop(self.file.take());
        self.turns.give_back();
    }
}

impl Turns {
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
