//! Watches directories, and passes every event in them to [`Hints`].
//!
//! The only module that uses notify. Directories are watched one by one and never recursively, so that ignored trees
//! cost nothing. If a directory cannot be watched, or its file system does not report changes, everything is polled
//! instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Config, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::hints::Hints;
use super::places::{PathEvent, Places};
use super::system::{FileSystems, Limit};

/// Default polling interval.
const POLL: Duration = Duration::from_secs(2);

/// Notifies the keeper that there are new hints.
pub(super) type Wake = Arc<dyn Fn() + Send + Sync>;

pub(super) struct DirectoryWatcher {
    hints: Arc<Hints>,
    wake: Wake,
    way: Way,
    watched: BTreeSet<PathBuf>,
    /// The places whose directories are all watched.
    followed: Option<Arc<Places>>,
    systems: FileSystems,
}

enum Way {
    Events(RecommendedWatcher),
    Poll(Duration),
}

impl DirectoryWatcher {
    /// Creates a watcher with no directories yet. Polls from the start if the user requested it or if events are not
    /// available; in the latter case also returns the reason.
    pub(super) fn new(
        hints: &Arc<Hints>,
        wake: &Wake,
        poll: Option<Duration>,
    ) -> (Self, Option<String>) {
        let mut source = Self {
            hints: Arc::clone(hints),
            wake: Arc::clone(wake),
            way: Way::Poll(poll.unwrap_or(POLL)),
            watched: BTreeSet::new(),
            followed: None,
            systems: FileSystems::default(),
        };
        if poll.is_some() {
            return (source, None);
        }
        match source.watcher() {
            Ok(watcher) => {
                source.way = Way::Events(watcher);
                (source, None)
            }
            Err(error) => {
                let why = words(&error, 0);
                (source, Some(why))
            }
        }
    }

    /// The polling interval; `None` if events are used.
    pub(super) fn poll(&self) -> Option<Duration> {
        match &self.way {
            Way::Events(_) => None,
            Way::Poll(every) => Some(*every),
        }
    }

    /// Watches exactly the directories of `places`. Returns the newly watched ones: earlier changes in them went
    /// unnoticed. On error, which says why they cannot be watched, polling takes over.
    pub(super) fn follow(&mut self, places: &Arc<Places>) -> Result<Vec<PathBuf>, String> {
        self.hints.judge_by(Arc::clone(places));
        let suspects = self.hints.take_suspects();
        let Way::Events(watcher) = &mut self.way else {
            return Ok(Vec::new());
        };
        let before = self.followed.take();
        if suspects.is_empty() && before.is_some_and(|before| Arc::ptr_eq(&before, places)) {
            self.followed = Some(Arc::clone(places));
            return Ok(Vec::new());
        }
        let is_suspect = |folder: &Path| folder.ancestors().any(|above| suspects.contains(above));
        let gone: Vec<PathBuf> = self
            .watched
            .iter()
            .filter(|folder| !places.holds(folder) || (!suspects.is_empty() && is_suspect(folder)))
            .cloned()
            .collect();
        for folder in gone {
            // Fails if the system has already dropped the watch, which is fine.
            let _ = watcher.unwatch(&folder);
            self.watched.remove(&folder);
        }
        let (mut new, mut misses) = (Vec::new(), false);
        for folder in places
            .folders()
            .filter(|folder| !self.watched.contains(*folder))
        {
            if let Some(kind) = self.systems.silent(folder) {
                let why = format!(
                    "`{}` is on {kind}, which does not report all changes",
                    folder.display()
                );
                return Err(self.give_up(why));
            }
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => new.push(folder.to_owned()),
                Err(error) if is_gone(&error) => misses = true,
                Err(error) => {
                    let why = words(&error, places.len());
                    return Err(self.give_up(why));
                }
            }
        }
        self.watched.extend(new.iter().cloned());
        self.followed = (!misses).then(|| Arc::clone(places));
        Ok(new)
    }

    fn give_up(&mut self, why: String) -> String {
        self.way = Way::Poll(POLL);
        self.watched.clear();
        why
    }

    fn watcher(&self) -> notify::Result<RecommendedWatcher> {
        let (hints, wake) = (Arc::clone(&self.hints), Arc::clone(&self.wake));
        let hear = move |event: notify::Result<Event>| {
            if take_up(&hints, &event) {
                wake();
            }
        };
        RecommendedWatcher::new(hear, Config::default().with_follow_symlinks(false))
    }
}

fn take_up(hints: &Hints, event: &notify::Result<Event>) -> bool {
    let Ok(event) = event else {
        return hints.lose();
    };
    if event.need_rescan() {
        return hints.lose();
    }
    let kind = match event.kind {
        // Reading is not a change, or every look would trigger the next; closing a file after writing is one.
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => PathEvent::Changed,
        EventKind::Access(_) => return false,
        _ => PathEvent::CameOrWent,
    };
    // Not `any`, which would stop at the first.
    let tells = event.paths.iter().filter(|path| hints.hear(path, kind));
    tells.count() > 0
}

/// A directory that was removed again shows as missing in the look that follows.
fn is_gone(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => matches!(
            error.kind(),
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
        ),
        _ => false,
    }
}

fn words(error: &notify::Error, folders: usize) -> String {
    let limit = match &error.kind {
        ErrorKind::MaxFilesWatch => Some(Limit::Watches),
        ErrorKind::Io(error) => error.raw_os_error().and_then(Limit::behind),
        _ => None,
    };
    match limit {
        Some(limit) => limit.words(folders),
        None => format!("directories cannot be watched: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen in tilt#3556.
    #[test]
    fn an_overflow_of_the_queue_loses_events() {
        let hints = Hints::default();
        let event = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        assert!(take_up(&hints, &Ok(event)));
        assert!(hints.take().everything);
    }

    /// Seen with compose's `max_user_instances` hint.
    #[test]
    fn limits_say_what_to_raise() {
        let watches = notify::Error::new(ErrorKind::MaxFilesWatch);
        assert!(words(&watches, 70_000).contains("max_user_watches"));
        let instances = notify::Error::io(std::io::Error::from_raw_os_error(24));
        assert!(words(&instances, 0).contains("max_user_instances"));
    }

    /// Seen in fff#391 and devenv#2605.
    #[test]
    fn events_in_a_folder_come_only_after_it_is_followed_and_it_is_said_to_be_new() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::write(root.join("imgspec.kdl"), "").unwrap();
        let mut workspace = crate::workspace::Workspace::default();
        workspace.looked.files.insert(root.join("imgspec.kdl"));
        let mut places = Places::new(&root);
        places.add_manifests(&workspace);
        let places = Arc::new(places);
        let hints = Arc::new(Hints::default());
        let (notify, hear) = std::sync::mpsc::channel();
        let wake: Wake = Arc::new(move || notify.send(()).expect("the test is listening"));
        let (mut source, why) = DirectoryWatcher::new(&hints, &wake, None);
        assert_eq!(why, None);
        match source.follow(&places) {
            Ok(new) => assert_eq!(new, std::slice::from_ref(&root)),
            // The file system that tests run on may not report changes.
            Err(_) => return assert_eq!(source.poll(), Some(POLL)),
        }
        assert_eq!(source.follow(&places), Ok(Vec::new()));
        std::fs::write(root.join("imgspec.kdl"), "x").unwrap();
        hear.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(hints.take().manifests());
    }
}
