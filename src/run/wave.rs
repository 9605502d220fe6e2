//! What one wave did, from the first image that has to be built until nothing is left to do.
//!
//! `graph build` is one wave. In a watch a wave lasts however many changes come meanwhile, so that a branch switch is one wave
//! even when it takes long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::backend::Artifact;
use crate::fingerprint::Key;

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Every image of the plan that is there now, fresh or built, in the order of the plan.
    pub images: Vec<Outcome>,
    /// Ids of the images that failed to build or to be pushed.
    pub failed: Vec<String>,
    /// Ids of the images that were skipped because of them.
    pub skipped: Vec<String>,
    /// Ids of the images that were stopped.
    pub cancelled: Vec<String>,
    /// Whether the user interrupted it.
    pub interrupted: bool,
}

/// What became of one image.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The image's id.
    pub image: String,
    /// Its key.
    pub key: Key,
    /// What was built or found.
    pub artifact: Artifact,
    /// How long its build took; none when it was fresh.
    pub seconds: Option<f64>,
    /// The digest by which its registry has it; none where nobody asked for a push, or it is not known.
    pub pushed: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Wave {
    /// Which, from 1.
    pub(crate) number: usize,
    pub(crate) started: Instant,
    /// Images that it is about.
    pub(crate) woken: BTreeSet<String>,
    /// Images that it had to build or push, as far as known.
    pub(crate) planned: BTreeSet<String>,
    /// What it built, by image.
    pub(crate) built: BTreeMap<String, Outcome>,
    pub(crate) pushed: BTreeSet<String>,
    /// Images that failed in it and did not get built after that.
    pub(crate) failed: BTreeSet<String>,
    /// Images that were stopped for good.
    pub(crate) cancelled: BTreeSet<String>,
    /// How often an image was begun again because its files moved.
    pub(crate) moves: BTreeMap<String, u32>,
}

impl Wave {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            started: Instant::now(),
            woken: BTreeSet::new(),
            planned: BTreeSet::new(),
            built: BTreeMap::new(),
            pushed: BTreeSet::new(),
            failed: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            moves: BTreeMap::new(),
        }
    }

    /// An image is there, built by this wave.
    pub(crate) fn build(&mut self, outcome: Outcome) {
        self.failed.remove(&outcome.image);
        self.built.insert(outcome.image.clone(), outcome);
    }

    /// Images are not what they were, and these are to be built or pushed: what is built anew counts anew.
    pub(crate) fn extend(&mut self, woken: &BTreeSet<String>, to_do: &BTreeSet<String>) {
        self.woken.extend(woken.iter().cloned());
        self.planned.extend(to_do.iter().cloned());
        for name in to_do.iter().chain(woken) {
            self.failed.remove(name);
        }
        for name in to_do {
            self.built.remove(name);
        }
    }
}

/// What woke a wave, or made it longer.
pub(crate) struct Wakening {
    /// Whether the wave begins with it.
    pub(crate) begins: bool,
    /// Ids of the images that are not what they were.
    pub(crate) images: Vec<String>,
    /// How many images the wave builds in all, as far as known.
    pub(crate) build: usize,
    /// How many of the woken images need nothing.
    pub(crate) fresh: usize,
}

pub(crate) struct WaveEnd {
    pub(crate) wave: Wave,
    /// What it was about and did not have to build.
    pub(crate) fresh: Vec<Outcome>,
    /// Ids of the images that cannot be built as they are.
    pub(crate) stuck: Vec<String>,
    /// Ids of the images that wait for those.
    pub(crate) waiting: Vec<String>,
    pub(crate) summary: Summary,
}
