//! Private names for the images that others are built on.
//!
//! A local image has no digest that `FROM` could name, and anyone can move a tag between two builds (bake#1112). So
//! each image gets a name that only this run knows: along with its own tag, or when an image first needs it. All are
//! removed at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;

pub(super) const REPOSITORY: &str = "imgspec-pin";

/// The private names of a run.
#[derive(Debug)]
pub(super) struct Pins {
    /// Start of the run in seconds since 1970, so that `clean` can recognize names left behind.
    began: u64,
    run: u64,
    given: Mutex<Given>,
}

#[derive(Debug, Default)]
struct Given {
    count: u32,
    names: Vec<String>,
    by_digest: BTreeMap<String, String>,
    /// Digests that the store was asked for and does not have.
    absent: BTreeSet<String>,
}

impl Pins {
    pub(super) fn new() -> Self {
        Self {
            began: std::time::UNIX_EPOCH
                .elapsed()
                .map_or(0, |since| since.as_secs()),
            // Keyed by the system's randomness, so that runs do not collide, on one machine or several.
            run: RandomState::new().hash_one(std::process::id()),
            given: Mutex::default(),
        }
    }

    pub(super) fn next(&self) -> String {
        let mut given = self.given.lock();
        given.count += 1;
        let name = format!(
            "{REPOSITORY}:{}-{:016x}-{}",
            self.began, self.run, given.count
        );
        given.names.push(name.clone());
        name
    }

    /// Whether a private name is from a run that began more than a day ago: no run takes that long.
    pub(super) fn is_left(name: &str) -> bool {
        let tag = name
            .strip_prefix(REPOSITORY)
            .and_then(|rest| rest.strip_prefix(':'));
        let began = tag.and_then(|tag| tag.split('-').next()?.parse::<u64>().ok());
        let now = std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_secs());
        began.is_some_and(|began| began.saturating_add(24 * 60 * 60) < now)
    }

    pub(super) fn note(&self, digest: &str, name: &str) {
        let mut given = self.given.lock();
        given.by_digest.insert(digest.to_owned(), name.to_owned());
    }

    pub(super) fn of(&self, digest: &str) -> Option<String> {
        self.given.lock().by_digest.get(digest).cloned()
    }

    pub(super) fn note_absent(&self, digest: &str) {
        self.given.lock().absent.insert(digest.to_owned());
    }

    /// Whether the store is known not to have it: it is asked once in a run.
    pub(super) fn lacks(&self, digest: &str) -> bool {
        self.given.lock().absent.contains(digest)
    }

    pub(super) fn take(&self) -> Vec<String> {
        let mut given = self.given.lock();
        given.by_digest.clear();
        std::mem::take(&mut given.names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_yesterday_are_left_behind() {
        assert!(!Pins::is_left(&Pins::new().next()));
        assert!(Pins::is_left("imgspec-pin:1000000000-00aa-1"));
        assert!(!Pins::is_left("imgspec-pin:latest"));
        assert!(!Pins::is_left("other:1000000000-00aa-1"));
    }

    /// bake#1112
    #[test]
    fn names_are_of_one_run_only() {
        let (one, two) = (Pins::new(), Pins::new());
        let name = one.next();
        assert_ne!(name, two.next());
        assert_ne!(name, one.next());
        one.note("sha256:1", &name);
        assert_eq!(one.of("sha256:1"), Some(name));
        assert_eq!(one.of("sha256:2"), None);
        assert_eq!(one.take().len(), 2);
        assert_eq!(one.of("sha256:1"), None);
    }
}
