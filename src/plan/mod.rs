//! Graph × keys × records × what exists → what is to be done, and why.
//!
//! Pure; knows no backend and no store: [`facts`] gathers what it judges. The choice made: an image that exists under its
//! reference with its key is fresh whatever the records say, so a switched branch or an empty state folder builds nothing
//! that is already there; records tell what changed, and on what a base was built.

mod doubt;
pub mod facts;

use std::collections::BTreeSet;

pub use doubt::{Doubt, doubts, unknown};
use serde::Serialize;

use crate::backend::Existence;
use crate::fingerprint::{Change, Key};
use crate::graph::{Graph, ImageId};
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
    Forced,
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
    /// The same, but what is fresh is left alone.
    #[must_use]
    pub fn unforced(self) -> Self {
        Self {
            force: false,
            force_flytekit: false,
            ..self
        }
    }

    fn forces(self, facts: &Facts) -> bool {
        self.force || (self.force_flytekit && facts.is_flytekit)
    }
}

impl Facts {
    /// Whether it is where it must be, with its key.
    fn is_there(&self) -> bool {
        let key = self.key.to_string();
        let is_this = |found: &Existence| matches!(found, Existence::Present { key: Some(label), .. } if *label == key);
        is_this(&self.local) || self.registry.as_ref().is_some_and(is_this)
    }

    /// Why nobody can say whether it is there; none when it is, or is not.
    fn doubt(&self) -> Option<&str> {
        let all = [Some(&self.local), self.registry.as_ref()];
        let mut all = all.into_iter().flatten();
        let why = all.find_map(|found| match found {
            Existence::Unknown { why } => Some(why.as_str()),
            _ => None,
        });
        why.filter(|_| !self.is_there())
    }

    /// What the image is called by its backend, as far as anyone knows; else empty.
    #[must_use]
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

impl Plan {
    /// Decides for the images that were asked for, and for the bases that what is built needs.
    ///
    /// `facts` has one entry an image, in the order of their ids.
    #[must_use]
    pub fn new(
        graph: &Graph,
        asked: &BTreeSet<ImageId>,
        facts: &[Facts],
        judgement: Judgement,
    ) -> Self {
        let mut considered = asked.clone();
        let mut building = BTreeSet::new();
        // Building an image may bring bases into view, and their rebuilding may bring further dependents: both sets only grow.
        loop {
            let before = (considered.len(), building.len());
            for id in graph
                .order()
                .iter()
                .copied()
                .filter(|id| considered.contains(id))
                .collect::<Vec<_>>()
            {
                let force = asked.contains(&id) && judgement.forces(&facts[id.index()]);
                let own = own_reasons(&facts[id.index()], force, judgement.when_unknown);
                if own.is_some()
                    || graph
                        .bases(id)
                        .iter()
                        .any(|base| building.contains(base) || moved_on(graph, facts, id, *base))
                {
                    building.insert(id);
                    considered.extend(graph.bases(id));
                }
            }
            if before == (considered.len(), building.len()) {
                break;
            }
        }
        let plan =
            |id: ImageId| planned(graph, facts, id, asked.contains(&id), &building, judgement);
        Self {
            images: graph
                .order()
                .iter()
                .copied()
                .filter(|id| considered.contains(id))
                .map(plan)
                .collect(),
        }
    }

    /// The images that are built.
    pub fn builds(&self) -> impl Iterator<Item = &Planned> {
        self.images
            .iter()
            .filter(|image| image.action == Action::Build)
    }

    /// What is planned for an image, if anything.
    #[must_use]
    pub fn get(&self, id: ImageId) -> Option<&Planned> {
        self.images.iter().find(|image| image.id == id)
    }

    /// The longest chain of builds by the time that each took last, with its seconds; builds of unknown time count as
    /// the mean of the known ones, or as nothing.
    #[must_use]
    pub fn critical_path(&self, graph: &Graph) -> (Vec<ImageId>, f64) {
        let weights = self.weights(graph.len());
        let mut best: Vec<(f64, Option<ImageId>)> = vec![(0.0, None); graph.len()];
        let mut last: Option<ImageId> = None;
        for image in self.builds() {
            let before = graph
                .bases(image.id)
                .into_iter()
                .filter(|base| weights[base.index()].is_some());
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

    /// The expected seconds of each build, by image; none for what is not built.
    #[must_use]
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

fn planned(
    graph: &Graph,
    facts: &[Facts],
    id: ImageId,
    asked: bool,
    building: &BTreeSet<ImageId>,
    judgement: Judgement,
) -> Planned {
    let own = &facts[id.index()];
    let seconds = own.record.as_ref().map(|record| record.seconds);
    if !building.contains(&id) {
        let why = || match &own.registry {
            Some(Existence::Unknown { why }) => Reason::Unknown { why: why.clone() },
            _ => Reason::ArtifactGone {
                place: "registry".to_owned(),
            },
        };
        let (action, reasons) = if asked && needs_push(own) {
            (Action::Push, vec![why()])
        } else {
            (Action::Fresh, Vec::new())
        };
        return Planned {
            id,
            action,
            reasons,
            asked,
            seconds,
        };
    }
    let own_reasons = own_reasons(own, asked && judgement.forces(own), judgement.when_unknown);
    let mut reasons = own_reasons.unwrap_or_default();
    // What was never built has no bases that changed since.
    if own.record.is_some() || reasons.is_empty() {
        let is_other = |base: &ImageId| {
            let name = graph.name(*base);
            building.contains(base)
                || moved_on(graph, facts, id, *base)
                || own.changes.iter().any(|change| change.base() == Some(name))
        };
        let others = graph.bases(id).into_iter().filter(is_other);
        reasons.extend(others.map(|base| Reason::BaseRebuilt {
            base: graph.name(base).to_owned(),
        }));
    }
    Planned {
        id,
        action: Action::Build,
        reasons,
        asked,
        seconds,
    }
}

/// Why an image must be built whatever is built besides; none when it is where it must be, with its key. Empty when only
/// keys of its bases are others: those are told of with the bases.
fn own_reasons(facts: &Facts, force: bool, when_unknown: WhenUnknown) -> Option<Vec<Reason>> {
    if force {
        return Some(vec![Reason::Forced]);
    }
    if facts.is_there() {
        return None;
    }
    let is_assumed = when_unknown == WhenUnknown::Assume;
    let doubt = facts.doubt().filter(|_| !is_assumed);
    let doubt = doubt.map(|why| Reason::Unknown {
        why: why.to_owned(),
    });
    let mut reasons = match &facts.record {
        None => {
            let unreadable = facts.unreadable.clone();
            vec![Reason::NeverBuilt { unreadable }]
        }
        Some(record) if record.key != facts.key => input_changes(facts),
        Some(_) if facts.doubt().is_some() && is_assumed => return None,
        Some(_) if doubt.is_some() => Vec::new(),
        Some(_) => {
            let place = match facts.registry.as_ref().unwrap_or(&facts.local) {
                Existence::Present { .. } => "its name; another image bears it".to_owned(),
                Existence::Incomplete { missing } => format!("form for {}", missing.join(", ")),
                Existence::Absent | Existence::Unknown { .. } => "local store".to_owned(),
            };
            vec![Reason::ArtifactGone { place }]
        }
    };
    reasons.extend(doubt);
    Some(reasons)
}

fn input_changes(facts: &Facts) -> Vec<Reason> {
    if facts.changes.is_empty() {
        let input = "something (what it was made of is not known any more)".to_owned();
        return vec![Reason::InputChanged {
            input,
            from: None,
            to: None,
        }];
    }
    let own = facts
        .changes
        .iter()
        .filter(|change| change.base().is_none());
    own.cloned()
        .map(|change| Reason::InputChanged {
            input: change.name,
            from: change.from,
            to: change.to,
        })
        .collect()
}

/// Whether the base that an image was built on is no longer the base that is there. A record that is not of the very image
/// that is there (another engine made it) cannot tell.
fn moved_on(graph: &Graph, facts: &[Facts], id: ImageId, base: ImageId) -> bool {
    let own = &facts[id.index()];
    let (Some(record), Existence::Present { digest, .. }) = (&own.record, &own.local) else {
        return false;
    };
    let Existence::Present { digest: there, .. } = &facts[base.index()].local else {
        return false;
    };
    let built_on = record.bases.get(graph.name(base));
    record.artifact.digest == *digest && built_on.is_some_and(|built_on| built_on != there)
}

fn needs_push(facts: &Facts) -> bool {
    let key = facts.key.to_string();
    match &facts.registry {
        Some(Existence::Present {
            key: Some(found), ..
        }) => *found != key,
        Some(_) => true,
        None => false,
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
            Self::Forced => write!(out, "forced"),
            Self::Unknown { why } => write!(out, "nobody could say whether it is there: {why}"),
        }
    }
}
