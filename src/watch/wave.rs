//! What one wave did, from the first change to the next silence.
//!
//! Data and counting only. The choice made: a wave lasts until nothing is left to do, however many changes come meanwhile,
//! so that a branch switch is one wave even when it takes long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::hook::{Done, Image};
use crate::run::Outcome;

/// A wave that goes on.
#[derive(Debug)]
pub(super) struct Wave {
    /// Which, from 1.
    pub(super) number: usize,
    /// When it began.
    pub(super) started: Instant,
    /// Images that it is about.
    pub(super) woken: BTreeSet<String>,
    /// Images that it had to build, as far as known.
    pub(super) planned: BTreeSet<String>,
    /// What it built, by image.
    pub(super) built: BTreeMap<String, Outcome>,
    /// Images that it pushed.
    pub(super) pushed: BTreeSet<String>,
    /// Images that failed in it and did not get built after that.
    pub(super) failed: BTreeSet<String>,
}

/// So many waves in a row by the same files are no accident.
const TOO_OFTEN: usize = 5;

/// Whoever saves files again this soon after a wave is no person.
const SOON: Duration = Duration::from_millis(500);

/// Notices waves that cause one another: a hook that writes what is watched.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    files: Vec<String>,
    count: usize,
}

impl Repeats {
    /// Notes the files of a wave that begins so long after the last one ended; the file to blame if it goes round in circles.
    pub(super) fn note(&mut self, files: &[String], after: Duration) -> Option<&str> {
        if self.files == files && after <= SOON {
            self.count += 1;
        } else {
            self.count = 1;
            self.files = files.to_vec();
        }
        (self.count == TOO_OFTEN).then(|| self.files.first().map(String::as_str))?
    }
}

impl Wave {
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            started: Instant::now(),
            woken: BTreeSet::new(),
            planned: BTreeSet::new(),
            built: BTreeMap::new(),
            pushed: BTreeSet::new(),
            failed: BTreeSet::new(),
        }
    }

    /// An image is there, built by this wave.
    pub(super) fn build(&mut self, outcome: Outcome) {
        self.failed.remove(&outcome.image);
        self.built.insert(outcome.image.clone(), outcome);
    }

    /// What its hook is told; none when it has nothing to tell.
    pub(super) fn done(&self, fresh: &[Outcome], waiting: Vec<String>) -> Option<Done> {
        let image = |outcome: &Outcome| Image {
            image: outcome.image.clone(),
            reference: outcome.artifact.reference.clone(),
            digest: outcome.artifact.digest.clone(),
        };
        let done = Done {
            wave: self.number,
            built: self.built.values().map(image).collect(),
            fresh: fresh.iter().map(image).collect(),
            failed: self.failed.iter().cloned().collect(),
            waiting,
        };
        // The first wave is about all images: that they exist is no news.
        let is_news = !done.built.is_empty()
            || !done.failed.is_empty()
            || (self.number > 1 && !done.fresh.is_empty());
        is_news.then_some(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen in compose#12089.
    #[test]
    fn waves_that_cause_one_another_are_noticed_once() {
        let mut repeats = Repeats::default();
        let (files, soon, late) = (
            ["x".to_owned()],
            Duration::from_millis(90),
            Duration::from_secs(3),
        );
        for _ in 0..4 {
            assert_eq!(repeats.note(&files, soon), None);
        }
        assert_eq!(repeats.note(&files, soon), Some("x"));
        assert_eq!(repeats.note(&files, soon), None);
        for _ in 0..20 {
            assert_eq!(
                repeats.note(&files, late),
                None,
                "a person saves the same file again and again"
            );
        }
    }
}
