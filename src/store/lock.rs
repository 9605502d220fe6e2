//! Locks between processes, one an image while it is built.
//!
//! They are files of their own, never those that are replaced.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;

use super::name::file_name;
use super::{LOCKS, Store};
use crate::disk::dir::Share;

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
