//! Serializes the writing of records, between processes and between the threads of one.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::disk::dir::{Dir, Share};

/// How often a waiting thread checks whether to give up.
const PAUSE: Duration = Duration::from_millis(50);

/// Locked while a record is written.
pub(super) const WRITING: &str = "store.lock";

/// Orders the threads of one process: they can be woken, whereas locks of other processes have to be polled.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<()>);

/// The exclusive right to write records, until dropped.
pub(super) struct Writing<'a> {
    // Dropped first, or the next thread wakes up to find it locked.
    _file: File,
    _turn: MutexGuard<'a, ()>,
}

impl Turns {
    /// Waits for the exclusive right to write records.
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
