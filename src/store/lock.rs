//! Locks between processes: one for writing records, one an image while it is built.
//!
//! The operating system frees them when their holder dies. The choices made: locks are files of their own, never those that
//! are replaced; waiting asks again and again rather than sleeping in the kernel, so that Ctrl-C ends it.

use std::fs::{File, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::name::file_name;
use super::{Store, naming, open_lock};

/// How often a waiting run asks again.
const PAUSE: Duration = Duration::from_millis(50);

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
        loop {
            if let Some(file) = self.try_lock(image)? {
                self.drop_old_contexts(image);
                return Ok(Some(ImageLock {
                    _file: file,
                    waited,
                }));
            }
            waited = true;
            if waiting().is_break() {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Locks an image if nobody has it locked.
    pub(super) fn try_lock(&self, image: &str) -> io::Result<Option<File>> {
        let path = self.locks().join(file_name(image) + ".lock");
        try_lock_file(&path)
    }

    pub(super) fn lock_writing(&self) -> io::Result<File> {
        let path = self.folder.join("store.lock");
        let file = open_lock(&path)?;
        file.lock().map_err(|error| naming(&path, &error))?;
        Ok(file)
    }
}

fn try_lock_file(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = open_lock(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(naming(path, &error)),
            Ok(()) => {}
        }
        // `clean` may have removed the file between opening and locking: such a lock keeps nobody out.
        if is_still_there(&file, path)? {
            return Ok(Some(file));
        }
    }
}

fn is_still_there(file: &File, path: &Path) -> io::Result<bool> {
    let held = file.metadata()?;
    Ok(std::fs::metadata(path)
        .is_ok_and(|named| named.ino() == held.ino() && named.dev() == held.dev()))
}
