//! What is known of images, and what a plan says of them. Plain data, with what follows from it.

use serde::Serialize;

use crate::backend::Existence;
use crate::fingerprint::{Change, Key};
use crate::graph::{Graph, ImageId};
use crate::spec::ImageSpec;
use crate::store::Record;

/// What is known of one image before anything is decided.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its key as the files are now.
    pub key: Key,
    /// What was built last.
    pub record: Option<Record>,
    /// Why there is a record that cannot be read.
    pub unreadable: Option<String>,
    /// What the local store has under its reference.
    pub local: Existence,
    /// What its registry has; none when nobody asked for a push.
    pub registry: Option<Existence>,
    /// Whether flytekit names it, so that its variables apply.
    pub is_flytekit: bool,
    /// What differs from the record, when the key does.
    pub changes: Vec<Change>,
}

/// What to do about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it is there.
    Fresh,
    /// It is built, but not yet in its registry.
    Push,
    /// Build it (and push it, when asked).
    Build,
}

/// Why an image is built or pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// There is no record of it.
    NeverBuilt {
        /// Why a record that is there does not count.
        #[serde(rename = "input", skip_serializing_if = "Option::is_none")]
        unreadable: Option<String>,
    },
    /// A field or a file is not what it was.
    InputChanged {
        /// Which, in the manifest's words.
        input: String,
        /// What it was; none when it is new.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// What it is; none when it is gone.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// What it is built on is built anew, or was since.
    BaseRebuilt {
        /// The base's id.
        #[serde(rename = "input")]
        base: String,
    },
    /// It was built, but is not where it must be.
    ArtifactGone {
        /// Where it is missing: `local store` or `registry`.
        #[serde(rename = "input")]
        place: String,
    },
    /// `--force`.
    Forced {
        /// Whether an image of the same key is there: the new one may have another content.
        exists: bool,
    },
    /// Nobody could say whether it is there.
    Unknown {
        /// Why.
        #[serde(rename = "input")]
        why: String,
    },
}

/// What `--when-unknown` does with images of which nobody could say whether they exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenUnknown {
    /// Build them.
    #[default]
    Build,
    /// Build nothing at all and say so.
    Fail,
    /// Believe the record.
    Assume,
}

/// When results go to their registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Push {
    /// Never.
    #[default]
    No,
    /// Each as soon as it is built.
    Each,
    /// All, after the last one was built; none when one failed.
    AllOrNothing,
    /// Each as soon as it is built, but only those that flytekit names: what its own variable asks for.
    Flytekit,
}

impl Push {
    /// Whether an image is to be in its registry.
    pub fn wants(self, spec: &ImageSpec) -> bool {
        let is_meant = match self {
            Self::No => false,
            Self::Each | Self::AllOrNothing => true,
            Self::Flytekit => spec.flytekit.is_some(),
        };
        is_meant && spec.registry.is_some()
    }
}

/// How to judge.
#[derive(Debug, Clone, Copy, Default)]
pub struct Judgement {
    /// Build all that was asked for, fresh or not.
    pub force: bool,
    /// The same for images that flytekit names.
    pub force_flytekit: bool,
    /// What to do when nobody could say whether an image exists.
    pub when_unknown: WhenUnknown,
}

impl Judgement {
    pub(super) fn forces(self, facts: &Facts) -> bool {
        self.force || (self.force_flytekit && facts.is_flytekit)
    }
}

impl Facts {
    /// Whether it is where it must be, with its key.
    pub(super) fn is_there(&self) -> bool {
        let is_this = |found: &Existence| matches!(found, Existence::Present { key: Some(label), .. } if self.key.is(label));
        is_this(&self.local) || self.registry.as_ref().is_some_and(is_this)
    }

    /// Why nobody can say whether it is there; none when it is, or is not.
    pub(super) fn doubt(&self) -> Option<&str> {
        let mut all = [Some(&self.local), self.registry.as_ref()].into_iter();
        let why = all.find_map(|found| match found {
            Some(Existence::Unknown { why }) => Some(why.as_str()),
            _ => None,
        });
        why.filter(|_| !self.is_there())
    }

    /// What the image is called by its backend, as far as anyone knows; else empty.
    pub fn digest(&self) -> String {
        match (&self.local, &self.registry) {
            (Existence::Present { digest, .. }, _)
            | (_, Some(Existence::Present { digest, .. })) => digest.clone(),
            // Assumed to exist on the user's word: the record knows what it was.
            _ => self
                .record
                .as_ref()
                .map(|record| record.artifact.digest.clone())
                .unwrap_or_default(),
        }
    }
}

/// What to do about each image that matters, bases first.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The images, in the order of the graph.
    pub images: Vec<Planned>,
    /// Where an image is in that list, by id.
    at: Vec<Option<usize>>,
}

/// What to do about one image.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The image.
    pub id: ImageId,
    /// What to do.
    pub action: Action,
    /// Why; empty when fresh.
    pub reasons: Vec<Reason>,
    /// Whether the user asked for it; else something that is built needs it.
    pub asked: bool,
    /// How long its last build took.
    pub seconds: Option<f64>,
}

impl Planned {
    /// Whether it is built although it is there, or would be.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        let mut reasons = self.reasons.iter();
        reasons.any(|reason| matches!(reason, Reason::Forced { .. }))
    }
}

impl Plan {
    /// A plan of these images, in the order of the graph.
    pub fn of(graph: &Graph, images: Vec<Planned>) -> Self {
        let mut at = vec![None; graph.len()];
        for (place, image) in images.iter().enumerate() {
            at[image.id.index()] = Some(place);
        }
        Self { images, at }
    }

    /// The images that are built.
    pub fn builds(&self) -> impl Iterator<Item = &Planned> {
        self.images
            .iter()
            .filter(|image| image.action == Action::Build)
    }

    /// What is planned for an image, if anything.
    pub fn get(&self, id: ImageId) -> Option<&Planned> {
        let at = self.at.get(id.index()).copied().flatten()?;
        Some(&self.images[at])
    }

    /// Something was done about an image: this is left.
    pub(crate) fn settle(&mut self, id: ImageId, left: Action) {
        if let Some(at) = self.at.get(id.index()).copied().flatten() {
            self.images[at].action = left;
        }
    }

    pub(super) fn builds_it(&self, id: ImageId) -> bool {
        self.get(id)
            .is_some_and(|image| image.action == Action::Build)
    }

    /// The longest chain of builds by the time that each took last, with its seconds; builds of unknown time count as
    /// the mean of the known ones, or as nothing.
    pub fn critical_path(&self, graph: &Graph) -> (Vec<ImageId>, f64) {
        let weights = self.weights(graph.len());
        let mut best: Vec<(f64, Option<ImageId>)> = vec![(0.0, None); graph.len()];
        let mut last: Option<ImageId> = None;
        for image in self.builds() {
            let bases = graph.bases(image.id).iter().copied();
            let before = bases.filter(|base| weights[base.index()].is_some());
            let longest = before.max_by(|a, b| best[a.index()].0.total_cmp(&best[b.index()].0));
            let seconds = weights[image.id.index()].unwrap_or(0.0)
                + longest.map_or(0.0, |base| best[base.index()].0);
            best[image.id.index()] = (seconds, longest);
            if last.is_none_or(|last| best[last.index()].0 < seconds) {
                last = Some(image.id);
            }
        }
        let seconds = last.map_or(0.0, |last| best[last.index()].0);
        let mut path: Vec<ImageId> = std::iter::successors(last, |id| best[id.index()].1).collect();
        path.reverse();
        (path, seconds)
    }

    /// For each image its own expected seconds and those of the longest chain of builds on top of it.
    pub fn remaining(&self, graph: &Graph) -> Vec<f64> {
        let weights = self.weights(graph.len());
        let mut remaining = vec![0.0_f64; graph.len()];
        for id in graph.order().iter().rev() {
            let above = graph
                .dependents(*id)
                .iter()
                .map(|dependent| remaining[dependent.index()])
                .fold(0.0, f64::max);
            remaining[id.index()] = weights[id.index()].map_or(0.0, |own| own + above);
        }
        remaining
    }

    /// The expected seconds of each build, by image; none for what is not built.
    pub fn weights(&self, images: usize) -> Vec<Option<f64>> {
        let known: Vec<f64> = self.builds().filter_map(|image| image.seconds).collect();
        #[allow(clippy::cast_precision_loss, reason = "a handful of images")]
        let mean = if known.is_empty() {
            1.0
        } else {
            known.iter().sum::<f64>() / known.len() as f64
        };
        let mut weights = vec![None; images];
        for image in self.builds() {
            weights[image.id.index()] = Some(image.seconds.unwrap_or(mean));
        }
        weights
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NeverBuilt { unreadable: None } => write!(out, "never built"),
            Self::NeverBuilt {
                unreadable: Some(why),
            } => write!(out, "never built (its record does not count: {why})"),
            Self::InputChanged { input, from, to } => Change {
                name: input.clone(),
                from: from.clone(),
                to: to.clone(),
            }
            .fmt(out),
            Self::BaseRebuilt { base } => write!(out, "`{base}` is rebuilt"),
            Self::ArtifactGone { place } => write!(out, "not in the {place}"),
            Self::Forced { exists: false } => write!(out, "forced"),
            Self::Forced { exists: true } => write!(out, "forced, although it is there"),
            Self::Unknown { why } => write!(out, "nobody could say whether it is there: {why}"),
        }
    }
}
