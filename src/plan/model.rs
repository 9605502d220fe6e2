//! The facts about images and the plan made from them: plain data, and what can be computed from it.

use serde::Serialize;

use crate::backend::{Existence, StoreKind};
use crate::fingerprint::{Change, Key};
use crate::graph::{Graph, ImageId};
use crate::spec::ImageSpec;
use crate::store::Record;

/// What is known about one image before anything is decided.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The key computed from the current files.
    pub key: Key,
    /// The record of the last build.
    pub record: Option<Box<Record>>,
    /// Why the record, although present, cannot be read.
    pub unreadable: Option<String>,
    /// What the local store has under the image's reference.
    pub local: Existence,
    /// What its registry has; `None` unless a push is requested.
    pub registry: Option<Existence>,
    /// The image's further names.
    pub names: Vec<Name>,
    /// Whether the image uses flytekit's naming, so that flytekit's environment variables apply to it.
    pub is_flytekit: bool,
    /// Changed inputs, if the recorded key differs from `key`.
    pub changes: Vec<Change>,
}

/// A further name of an image, and what it points to.
#[derive(Debug, Clone)]
pub struct Name {
    /// The name, as a reference.
    pub reference: String,
    /// What the local store has under it.
    pub local: Existence,
    /// What its registry has; `None` unless it is to be pushed.
    pub registry: Option<Existence>,
}

/// What to do about an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it exists.
    Fresh,
    /// Give it its further names: it is where it must be.
    Tag,
    /// Push it: it is built, but not yet in its registry.
    Push,
    /// Build it, and push it if requested.
    Build,
}

/// Why an image is built or pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reason {
    /// There is no usable record of it.
    NeverBuilt {
        /// Why an existing record is not usable.
        #[serde(rename = "input", skip_serializing_if = "Option::is_none")]
        unreadable: Option<String>,
    },
    /// A field or a file changed.
    InputChanged {
        /// Name of the field or path of the file, as in the manifest.
        input: String,
        /// Previous value; `None` if it is new.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// Current value; `None` if it was removed.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
    },
    /// A base is going to be rebuilt, or was rebuilt since.
    BaseRebuilt {
        /// Id of the base.
        #[serde(rename = "input")]
        base: String,
    },
    /// It was built, but is missing from where it must be.
    ArtifactGone {
        /// Where it is missing, such as `local store` or `registry`.
        #[serde(rename = "input")]
        place: String,
    },
    /// A further name of it does not exist, or names another image.
    NameElsewhere {
        /// The name, as a reference.
        #[serde(rename = "input")]
        name: String,
    },
    /// `--force`, or flytekit's variable for it.
    Forced {
        /// Whether an image with the same key exists: the new one may have different content.
        exists: bool,
    },
    /// Whether it exists could not be determined.
    Unknown {
        /// The reason, such as the error of the daemon or registry.
        #[serde(rename = "input")]
        why: String,
    },
}

/// What `--when-unknown` does with images whose existence could not be determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenUnknown {
    /// Build them.
    #[default]
    Build,
    /// Build nothing, and fail.
    Fail,
    /// Trust the record.
    Assume,
}

/// When built images are pushed to their registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Push {
    /// Never.
    #[default]
    No,
    /// Each image as soon as it is built.
    Each,
    /// All images after the last one is built; none if one failed.
    AllOrNothing,
    /// Like `Each`, but only images that use flytekit's naming: what flytekit's own variable requests.
    Flytekit,
}

impl Push {
    /// Whether an image with this spec has to be in its registry.
    pub fn wants(self, spec: &ImageSpec) -> bool {
        let is_meant = match self {
            Self::No => false,
            Self::Each | Self::AllOrNothing => true,
            Self::Flytekit => spec.flytekit.is_some(),
        };
        is_meant && spec.registry.is_some()
    }
}

/// Policies that decide between building and not building.
#[derive(Debug, Clone, Copy, Default)]
pub struct Judgement {
    /// Build all requested images, fresh or not.
    pub force: bool,
    /// The same, only for images that use flytekit's naming.
    pub force_flytekit: bool,
    /// What to do if the existence of an image could not be determined.
    pub when_unknown: WhenUnknown,
    /// Do not build images that use flytekit's naming if their existence could not be determined.
    pub is_flytekit_known: bool,
}

impl Judgement {
    /// Whether an image is not built if its existence could not be determined.
    pub(crate) fn refuses_unknown(self, spec: &ImageSpec) -> bool {
        self.when_unknown == WhenUnknown::Fail
            || (self.is_flytekit_known && spec.flytekit.is_some())
    }

    pub(super) fn forces(self, facts: &Facts) -> bool {
        self.force || (self.force_flytekit && facts.is_flytekit)
    }
}

impl Facts {
    /// Whether it exists where it must, with its key.
    pub(super) fn is_there(&self) -> bool {
        let is_this = |found: &Existence| found.has(&self.key);
        is_this(&self.local) || self.registry.as_ref().is_some_and(is_this)
    }

    /// The further names that are not names of the existing image yet, and where.
    pub(crate) fn misnamed(&self) -> impl Iterator<Item = (&str, StoreKind)> {
        self.names.iter().flat_map(|name| {
            let places = [
                (Some(&self.local), Some(&name.local), StoreKind::Local),
                (
                    self.registry.as_ref(),
                    name.registry.as_ref(),
                    StoreKind::Registry,
                ),
            ];
            places.into_iter().filter_map(|(image, named, place)| {
                let (image, named) = (image?, named?);
                let is_wrong = image.has(&self.key) && !named.is_same(image);
                is_wrong.then_some((name.reference.as_str(), place))
            })
        })
    }

    /// Takes note that the further names point to the image in this place.
    pub(crate) fn note_named(&mut self, place: StoreKind) {
        for name in &mut self.names {
            match (place, &self.registry) {
                (StoreKind::Local, _) => name.local = self.local.clone(),
                (StoreKind::Registry, Some(image)) if name.registry.is_some() => {
                    name.registry = Some(image.clone());
                }
                (StoreKind::Registry, _) => {}
            }
        }
    }

    /// Why the image's existence could not be determined; `None` if it is known to exist or to be absent.
    pub(super) fn doubt(&self) -> Option<&str> {
        let mut all = [Some(&self.local), self.registry.as_ref()].into_iter();
        let why = all.find_map(|found| match found {
            Some(Existence::Unknown { why }) => Some(why.as_str()),
            _ => None,
        });
        why.filter(|_| !self.is_there())
    }

    /// The size of the existing image in the local store, in bytes, if it is known.
    pub fn size(&self) -> Option<u64> {
        match &self.local {
            Existence::Present { size, .. } => *size,
            _ => None,
        }
    }

    /// The backend's digest of the existing image; empty if unknown.
    pub fn digest(&self) -> String {
        match (&self.local, &self.registry) {
            // The local store may have another image under the same reference.
            (local, Some(there @ Existence::Present { digest, .. }))
                if there.has(&self.key) && !local.has(&self.key) =>
            {
                digest.clone()
            }
            (Existence::Present { digest, .. }, _)
            | (_, Some(Existence::Present { digest, .. })) => digest.clone(),
            // Assumed to exist (`--when-unknown assume`): the record has the digest.
            _ => self
                .record
                .as_ref()
                .map(|record| record.artifact.digest.clone())
                .unwrap_or_default(),
        }
    }
}

/// What to do about each relevant image, bases first.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The planned images, in graph order.
    pub images: Vec<Planned>,
    /// Index into `images` by image id.
    at: Vec<Option<usize>>,
}

/// What to do about one image.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Id of the image.
    pub id: ImageId,
    /// What to do.
    pub action: Action,
    /// Why it is built or pushed; empty if it is fresh.
    pub reasons: Vec<Reason>,
    /// Whether the user requested it; otherwise a requested build needs it.
    pub asked: bool,
    /// Duration of its last build, in seconds.
    pub seconds: Option<f64>,
}

impl Planned {
    /// Whether it is built because of `--force`.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        let mut reasons = self.reasons.iter();
        reasons.any(|reason| matches!(reason, Reason::Forced { .. }))
    }
}

impl Plan {
    /// Makes a plan of `images`, which are in graph order.
    pub fn of(graph: &Graph, images: Vec<Planned>) -> Self {
        let mut at = vec![None; graph.len()];
        for (place, image) in images.iter().enumerate() {
            at[image.id.index()] = Some(place);
        }
        Self { images, at }
    }

    /// The images to build.
    pub fn builds(&self) -> impl Iterator<Item = &Planned> {
        self.images
            .iter()
            .filter(|image| image.action == Action::Build)
    }

    /// The plan of one image; `None` if the image is not part of the plan.
    pub fn get(&self, id: ImageId) -> Option<&Planned> {
        let at = self.at.get(id.index()).copied().flatten()?;
        Some(&self.images[at])
    }

    /// Replaces the action of an image after something was done about it.
    pub(crate) fn settle(&mut self, id: ImageId, left: Action) {
        if let Some(at) = self.at.get(id.index()).copied().flatten() {
            self.images[at].action = left;
        }
    }

    pub(crate) fn builds_it(&self, id: ImageId) -> bool {
        self.get(id)
            .is_some_and(|image| image.action == Action::Build)
    }

    /// The chain of builds with the longest expected duration, and that duration in seconds. Builds of unknown duration
    /// count as the mean of the known ones, or as one second if none is known.
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

    /// For each image, its expected seconds plus those of the longest chain of builds on top of it.
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

    /// The expected seconds of each build, indexed by image id; `None` for images that are not built.
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
            } => write!(out, "never built (its record cannot be used: {why})"),
            Self::InputChanged { input, from, to } => Change {
                name: input.clone(),
                from: from.clone(),
                to: to.clone(),
            }
            .fmt(out),
            Self::BaseRebuilt { base } => write!(out, "`{base}` is rebuilt"),
            Self::ArtifactGone { place } => write!(out, "not in the {place}"),
            Self::NameElsewhere { name } => write!(out, "`{name}` is not this image"),
            Self::Forced { exists: false } => write!(out, "forced"),
            Self::Forced { exists: true } => write!(out, "forced, although it exists"),
            Self::Unknown { why } => write!(out, "could not determine whether it exists: {why}"),
        }
    }
}
