//! Locks between processes: one for each image while it is built, and one for whoever writes records.
//!
//! They are files of their own, never those that are replaced.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::name::file_name;
use super::{LOCKS, Store};
use crate::disk::dir::{Dir, Share};

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

/// Turns of the threads of one process: they are woken, whereas other processes have to be asked again and again.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<()>);

/// The right to write records, until dropped.
pub(super) struct Writing<'a> {
    // Dropped first, or the thread that is woken finds it locked.
    _file: File,
    _turn: MutexGuard<'a, ()>,
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
        let turn = loop {
            match self.0.try_lock_for(PAUSE) {
                Some(turn) => break turn,
                None if waiting().is_break() => return Err(given_up()),
                None => {}
            }
        };
        let file = own.lock(WRITING, Share::Nobody, &mut waiting)?;
        Ok(Writing {
            _file: file.ok_or_else(given_up)?,
            _turn: turn,
        })
    }
}
