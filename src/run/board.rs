//! The state of each image in a run, and which may start next: a pure function of what is known.
//!
//! An image's standing depends only on the plan, on what is known about it, and on the standings of its bases. So the
//! board can be recomputed at any time, and if only a few images changed, judging those and their dependents is enough:
//! a large run costs no more than its steps.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use crate::graph::{Graph, ImageId};
use crate::plan::{Action, Plan, Planned};

/// What is known besides the plan.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    pub(super) building: BTreeSet<ImageId>,
    pub(super) pushing: BTreeSet<ImageId>,
    /// Images that other runners are building.
    pub(super) postponed: BTreeSet<ImageId>,
    /// Images whose current identity failed.
    pub(super) failed: Cow<'a, BTreeSet<ImageId>>,
    pub(super) unreadable: BTreeSet<ImageId>,
    /// Images whose files may have changed.
    pub(super) in_doubt: Option<&'a BTreeSet<ImageId>>,
    /// Build only requested images.
    pub(super) no_bases: bool,
    /// Push nothing until everything is built.
    pub(super) all_or_nothing: bool,
    /// Random numbers that set this run apart, if other runners share the graph. It then pushes what it has built before it builds
    /// anything else, because others wait for it.
    pub(super) shared: Option<&'a RandomState>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It exists, or is not needed.
    Fresh,
    /// Ready to be built.
    Ready,
    /// Ready to be pushed, or to get further names.
    ReadyToPush,
    /// Built, but pushed only once everything else is built.
    Withheld,
    /// Being built, or its files are about to be read again.
    Busy,
    /// Being pushed or named.
    Pushing,
    /// Being built by another runner; keeps no worker.
    Postponed,
    /// Waits for bases that are being built or will be.
    Waiting,
    /// Bases cannot be built; lists the images at fault.
    Blocked(Vec<ImageId>),
    /// It failed, and nothing changed since.
    Failed,
    /// Built, but the push failed, or a further name could not be given.
    PushFailed,
    /// Its files cannot be read.
    Unreadable,
    /// It has to be built, but `--no-bases` forbids it.
    Forbidden,
}

impl Standing {
    /// Whether it remains to be built or pushed, as far as that is possible now.
    pub(super) fn is_to_do(&self) -> bool {
        self.is_on() || matches!(self, Self::ReadyToPush | Self::Withheld)
    }

    /// Whether it will make progress without outside changes.
    fn is_on(&self) -> bool {
        matches!(
            self,
            Self::Ready | Self::Busy | Self::Pushing | Self::Postponed | Self::Waiting
        )
    }

    /// Whether it cannot make progress, through no fault of another image.
    pub(super) fn is_stuck_itself(&self) -> bool {
        matches!(
            self,
            Self::Failed | Self::PushFailed | Self::Unreadable | Self::Forbidden
        )
    }

    /// Whether it has to be built and has not started.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self, Self::Ready | Self::Postponed | Self::Waiting)
    }

    /// Whether it blocks its dependents.
    fn is_stuck(&self) -> bool {
        matches!(
            self,
            Self::Failed | Self::Unreadable | Self::Forbidden | Self::Blocked(_)
        )
    }

    /// Whether it is built, or need not be.
    fn is_there(&self) -> bool {
        matches!(
            self,
            Self::Fresh | Self::ReadyToPush | Self::Withheld | Self::Pushing | Self::PushFailed
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) id: ImageId,
    /// Already built; only the push or names remain.
    pub(super) is_push: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Board {
    /// By image id; withheld images are stored as ready to push.
    standings: Vec<Standing>,
    /// By image id: the position in graph order.
    places: Vec<usize>,
    /// By image id: the place in the start order, longest remaining path first, ties in manifest order.
    ranks: Vec<usize>,
    ready: BTreeSet<(usize, ImageId)>,
    to_push: BTreeSet<ImageId>,
    /// Number of images that will make progress, except those ready to push.
    on: usize,
    /// Number of images that are not built yet, or cannot be.
    missing: usize,
    all_or_nothing: bool,
    pushes_first: bool,
    #[cfg(test)]
    judged: usize,
}

impl Board {
    pub(super) fn new(graph: &Graph, plan: &Plan, known: &Known<'_>) -> Self {
        let mut board = Self {
            standings: vec![Standing::Fresh; graph.len()],
            places: places_in(graph.order()),
            ranks: ranks(graph, plan, known.shared),
            all_or_nothing: known.all_or_nothing,
            pushes_first: known.shared.is_some(),
            ..Self::default()
        };
        for id in graph.order() {
            let standing = board.standing(graph, *id, plan.get(*id), known);
            board.set(*id, standing);
        }
        board
    }

    /// Judges the images in `changed` again, and dependents as far as standings change. Returns the newly blocked
    /// images.
    pub(super) fn again(
        &mut self,
        graph: &Graph,
        plan: &Plan,
        known: &Known<'_>,
        changed: &BTreeSet<ImageId>,
    ) -> BTreeSet<ImageId> {
        let above = changed.iter().flat_map(|id| graph.dependents(*id));
        let mut due: BTreeSet<_> = changed
            .iter()
            .chain(above)
            .map(|id| (self.place(*id), *id))
            .collect();
        let mut blocked = BTreeSet::new();
        while let Some((_, id)) = due.pop_first() {
            let standing = self.standing(graph, id, plan.get(id), known);
            let old = self.set(id, standing);
            if old == self.standings[id.index()] {
                continue;
            }
            if self.blocks(id) && !matches!(old, Standing::Blocked(_)) {
                blocked.insert(id);
            }
            due.extend(graph.dependents(id).iter().map(|id| (self.place(*id), *id)));
        }
        blocked
    }

    pub(crate) fn get(&self, id: ImageId) -> &Standing {
        match &self.standings[id.index()] {
            Standing::ReadyToPush if self.withholds() => &Standing::Withheld,
            standing => standing,
        }
    }

    /// An image's position in graph order.
    pub(super) fn place(&self, id: ImageId) -> usize {
        self.places[id.index()]
    }

    /// Whether an image is blocked by others; false for images of another graph.
    pub(super) fn blocks(&self, id: ImageId) -> bool {
        matches!(self.standings.get(id.index()), Some(Standing::Blocked(_)))
    }

    /// Whether anything will make progress without outside changes.
    pub(super) fn is_under_way(&self) -> bool {
        self.on > 0 || !(self.to_push.is_empty() || self.withholds())
    }

    /// What to start next; builds go before pushes, unless others wait for those.
    pub(super) fn next(&self) -> Option<Next> {
        let build = self.ready.first().map(|(_, id)| (*id, false));
        let push = self.to_push.first().filter(|_| !self.withholds());
        let push = push.map(|id| (*id, true));
        let (id, is_push) = if self.pushes_first {
            push.or(build)
        } else {
            build.or(push)
        }?;
        Some(Next { id, is_push })
    }

    /// Marks an image as taken by a worker. Dependents need no update: they wait as before.
    pub(super) fn take(&mut self, next: Next) {
        let standing = if next.is_push {
            Standing::Pushing
        } else {
            Standing::Busy
        };
        self.set(next.id, standing);
    }

    /// Sets a standing and returns the previous one. All changes go through here to keep the counters consistent.
    pub(super) fn set(&mut self, id: ImageId, standing: Standing) -> Standing {
        let old = std::mem::replace(&mut self.standings[id.index()], standing);
        let new = &self.standings[id.index()];
        self.on = self.on + usize::from(new.is_on()) - usize::from(old.is_on());
        self.missing = self.missing + usize::from(!new.is_there()) - usize::from(!old.is_there());
        let place = (self.ranks[id.index()], id);
        match old {
            Standing::Ready => drop(self.ready.remove(&place)),
            Standing::ReadyToPush => drop(self.to_push.remove(&id)),
            _ => {}
        }
        match new {
            Standing::Ready => drop(self.ready.insert(place)),
            Standing::ReadyToPush => drop(self.to_push.insert(id)),
            _ => {}
        }
        #[cfg(test)]
        {
            self.judged += 1;
        }
        old
    }

    /// Whether pushes are held back for now.
    fn withholds(&self) -> bool {
        self.all_or_nothing && self.missing > 0
    }

    fn standing(
        &self,
        graph: &Graph,
        id: ImageId,
        planned: Option<&Planned>,
        known: &Known<'_>,
    ) -> Standing {
        if known.building.contains(&id) {
            return Standing::Busy;
        }
        if known.unreadable.contains(&id) {
            return Standing::Unreadable;
        }
        let Some(image) = planned else {
            return Standing::Fresh;
        };
        let has_failed = known.failed.contains(&id);
        let standing = match image.action {
            Action::Fresh => Standing::Fresh,
            Action::Push | Action::Tag if known.pushing.contains(&id) => Standing::Pushing,
            Action::Push | Action::Tag if has_failed => Standing::PushFailed,
            Action::Push | Action::Tag => Standing::ReadyToPush,
            Action::Build if has_failed => Standing::Failed,
            Action::Build if known.no_bases && !image.asked => Standing::Forbidden,
            Action::Build if known.postponed.contains(&id) => Standing::Postponed,
            Action::Build => self.needs(graph, id),
        };
        let is_in_doubt = known.in_doubt.is_some_and(|ids| ids.contains(&id));
        match standing {
            Standing::Ready | Standing::ReadyToPush if is_in_doubt => Standing::Busy,
            standing => standing,
        }
    }

    /// The standing of an image that has to be built, given its bases.
    fn needs(&self, graph: &Graph, id: ImageId) -> Standing {
        let mut blame = BTreeSet::new();
        let mut waits = false;
        for base in graph.bases(id) {
            match self.get(*base) {
                Standing::Blocked(others) => blame.extend(others.iter().copied()),
                stuck if stuck.is_stuck() => drop(blame.insert(*base)),
                there if there.is_there() => {}
                _ => waits = true,
            }
        }
        if !blame.is_empty() {
            Standing::Blocked(blame.into_iter().collect())
        } else if waits {
            Standing::Waiting
        } else {
            Standing::Ready
        }
    }
}

/// The start order. Of runners that share a graph, each takes paths for up to twice as long as they are, so that they do not all
/// begin with the same images.
fn ranks(graph: &Graph, plan: &Plan, shared: Option<&RandomState>) -> Vec<usize> {
    let mut remaining = plan.remaining(graph);
    if let Some(chances) = shared {
        for (id, path) in remaining.iter_mut().enumerate() {
            let chance = chances.hash_one(id) % 1024;
            #[allow(clippy::cast_precision_loss, reason = "it is below 1024")]
            let share = chance as f64 / 1024.0;
            *path *= 1.0 + share;
        }
    }
    let mut best: Vec<ImageId> = graph.ids().collect();
    best.sort_by(|a, b| remaining[b.index()].total_cmp(&remaining[a.index()]));
    places_in(&best)
}

/// The position of each image in `list`, by id.
fn places_in(list: &[ImageId]) -> Vec<usize> {
    let mut places = vec![0; list.len()];
    for (place, id) in list.iter().enumerate() {
        places[id.index()] = place;
    }
    places
}

#[cfg(test)]
mod tests;
