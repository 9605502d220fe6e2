//! What one wave did, from the first change to the next silence.
//!
//! Data and counting only. The choice made: a wave lasts until nothing is left to do, however many changes come meanwhile,
//! so that a branch switch is one wave even when it takes long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

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
