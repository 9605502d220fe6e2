//! Serializes builds that would share an apt cache of envd's, which apt locks without waiting.
//!
//! envd names that cache after the build directory, and so after the image: two workspaces, or two runs in one, that
//! build images of the same name with the same builder share it. A file lock separates them, which the system releases
//! however its holder dies; builds of other users on the same daemon may still collide, and are retried.

use std::fs::File;

use super::home::Home;
use crate::asking::Asker;
use crate::backend::{BuildError, context};
use crate::disk::dir::{DirError, Share};

/// Waits for this image's turn in this HOME, which lasts until the file is dropped.
pub(super) fn wait(home: &Home, image: &str, asker: Asker<'_>) -> Result<Option<File>, BuildError> {
    let image = blake3::hash(image.as_bytes()).to_hex();
    let name = format!("{}.{}.lock", home.name, &image[..16]);
    let what = "waiting for another build that uses the same apt cache";
    let locked = home
        .above
        .lock(&name, Share::Nobody, &mut asker.waiting(what));
    match locked {
        Ok(Some(turn)) => Ok(Some(turn)),
        Ok(None) => Err(BuildError::Cancelled),
        Err(error) if DirError::is_misplaced(&error) => Err(context::unwritten(error)),
        // Without a lock, a collision is still retried.
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::cancel::Cancel;
    use crate::disk::dir::{Rooted, Terms};
    use crate::notes::Notes;

    fn home(folder: &tempfile::TempDir) -> Home {
        let above = Rooted::new(folder.path(), "homes", Terms::default());
        let above = above.make().unwrap();
        Home {
            dir: above.make("home").unwrap(),
            name: "home".to_owned(),
            above,
        }
    }

    #[derive(Default)]
    struct Recorder(Mutex<Vec<String>>);

    impl Notes for Recorder {
        fn step(&self, _: usize, _: usize, name: &str) {
            self.0.lock().unwrap().push(name.to_owned());
        }

        fn cached(&self, _: &str) {}

        fn log(&self, _: &str) {}
    }

    #[test]
    fn who_comes_second_waits_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let home = home(&folder);
        let (said, cancel) = (Recorder::default(), Cancel::default());
        let first = wait(&home, "a", Asker::build(&said, &cancel)).unwrap();
        assert!(
            wait(&home, "b", Asker::build(&said, &cancel))
                .unwrap()
                .is_some()
        );
        thread::scope(|scope| {
            let second = scope.spawn(|| wait(&home, "a", Asker::build(&said, &cancel)).unwrap());
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
        let home = home(&folder);
        let (said, cancel) = (Recorder::default(), Cancel::default());
        let _first = wait(&home, "a", Asker::build(&said, &cancel)).unwrap();
        cancel.request();
        let second = wait(&home, "a", Asker::build(&said, &cancel));
        assert_eq!(second.map(drop), Err(BuildError::Cancelled));
    }
}
