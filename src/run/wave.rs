//! The state of one wave: from the first image that has to be built until nothing is left to do.
//!
//! `graph build` is one wave. In a watch a wave absorbs all changes that arrive meanwhile, so that a branch switch is
//! one wave even if it takes long.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::backend::Artifact;
use crate::fingerprint::Key;

/// The outcome of a run.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// All images of the plan that exist now, fresh or built, in plan order.
    pub images: Vec<Outcome>,
    /// Ids of the images whose build or push failed.
    pub failed: Vec<String>,
    /// Ids of the images that were skipped because of those failures.
    pub skipped: Vec<String>,
    /// Ids of the images that were cancelled.
    pub cancelled: Vec<String>,
    /// Whether the user interrupted the run.
    pub interrupted: bool,
}

/// The outcome for one image.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Id of the image.
    pub image: String,
    /// The key it was built with or found under.
    pub key: Key,
    /// The image that was built or found.
    pub artifact: Artifact,
    /// Its further names, as references.
    pub names: Vec<String>,
    /// Duration of its build in seconds; `None` if it was fresh.
    pub seconds: Option<f64>,
    /// Its digest in the registry; `None` if no push was requested, or if the digest is not known.
    pub pushed: Option<String>,
}

impl Outcome {
    /// The same image under its further names.
    pub(crate) fn also_named(&self) -> impl Iterator<Item = Artifact> {
        self.names.iter().map(|name| Artifact {
            reference: name.clone(),
            ..self.artifact.clone()
        })
    }
}

#[derive(Debug)]
pub(crate) struct Wave {
    /// Starts at 1.
    pub(crate) number: usize,
    pub(crate) started: Instant,
    /// Images that changed, or whose bases did.
    pub(crate) woken: BTreeSet<String>,
    /// Images to build or push, as far as known.
    pub(crate) planned: BTreeSet<String>,
    /// Results by image id.
    pub(crate) built: BTreeMap<String, Outcome>,
    pub(crate) pushed: BTreeSet<String>,
    /// Images that failed during this wave and were not built afterward.
    pub(crate) failed: BTreeSet<String>,
    /// Images that were cancelled for good.
    pub(crate) cancelled: BTreeSet<String>,
    /// How often each image was restarted because its files changed.
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

    /// Records an image built by this wave.
    pub(crate) fn build(&mut self, outcome: Outcome) {
        self.failed.remove(&outcome.image);
        self.built.insert(outcome.image.clone(), outcome);
    }

    /// Adds changed images, and those that have to be built or pushed because of them. Earlier results for these no
    /// longer count.
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

/// What started or extended a wave.
pub(crate) struct Wakening {
    /// Whether this starts the wave.
    pub(crate) begins: bool,
    /// Ids of the changed images.
    pub(crate) images: Vec<String>,
    /// Total number of images the wave builds, as far as known.
    pub(crate) build: usize,
    /// Number of woken images that need nothing.
    pub(crate) fresh: usize,
}

pub(crate) struct WaveEnd {
    pub(crate) wave: Wave,
    /// Images of this wave that did not have to be built.
    pub(crate) fresh: Vec<Outcome>,
    /// Ids of the images that cannot be built as they are.
    pub(crate) stuck: Vec<String>,
    /// Ids of the images blocked by those.
    pub(crate) waiting: Vec<String>,
    pub(crate) summary: Summary,
}
