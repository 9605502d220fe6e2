//! One build after the other where envd would let them meet in apt's cache, which apt locks and does not wait for.
//!
//! envd names that cache by the folder that it builds, and so by the image: two workspaces, or two runs in one, that build
//! images of one name with one builder share it. The choice made: a file's lock, which the system frees however its holder
//! dies; builds of other users on the same daemon may still meet, which is tried again.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::backend::{BuildError, Cancel, Notes};

/// How often to ask.
const PAUSE: Duration = Duration::from_millis(100);

/// Waits until nobody else has the turn of this image in this HOME; it lasts until the file is dropped.
///
/// # Errors
/// When the run is interrupted.
pub(super) fn wait(
    home: &Path,
    image: &str,
    notes: &dyn Notes,
    cancel: &Cancel,
) -> Result<Option<File>, BuildError> {
    let image = blake3::hash(image.as_bytes()).to_hex();
    let path = home.with_extension(format!("{}.lock", &image[..16]));
    // Without a lock there is still the second try.
    let Ok(file) = File::create(path) else {
        return Ok(None);
    };
    let mut is_said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if cancel.is_requested() => {
                return Err(BuildError::Cancelled);
            }
            Err(TryLockError::WouldBlock) => {}
        }
        if !is_said {
            notes.step(
                0,
                0,
                "waiting for another build that uses the same apt cache",
            );
            is_said = true;
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Said(Mutex<Vec<String>>);

    impl Notes for Said {
        fn step(&self, _: usize, _: usize, name: &str) {
            self.0.lock().unwrap().push(name.to_owned());
        }

        fn cached(&self, _: &str) {}

        fn log(&self, _: &str) {}
    }

    #[test]
    fn who_comes_second_waits_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let (said, cancel) = (Said::default(), Cancel::default());
        let first = wait(&home, "a", &said, &cancel).unwrap();
        assert!(wait(&home, "b", &said, &cancel).unwrap().is_some());
        thread::scope(|scope| {
            let second = scope.spawn(|| wait(&home, "a", &said, &cancel).unwrap());
            while said.0.lock().unwrap().is_empty() {
                thread::sleep(Duration::from_millis(1));
            }
            assert!(!second.is_finished());
            drop(first);
            assert!(second.join().unwrap().is_some());
        });
        assert_eq!(said.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn an_interrupt_ends_the_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let (said, cancel) = (Said::default(), Cancel::default());
        let _first = wait(&home, "a", &said, &cancel).unwrap();
        cancel.request();
        let second = wait(&home, "a", &said, &cancel);
        assert_eq!(second.map(drop), Err(BuildError::Cancelled));
    }
}
