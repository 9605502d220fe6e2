//! Where each image stands, and which may start: one pure function of what is known now.
//!
//! Knows no time and no threads. Nothing is remembered from step to step: whatever happened (a build ended, a file changed, the
//! manifests were read anew), the board is made again from the plan, so no state can be left over from a graph that is no more.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::graph::{Graph, ImageId};
use crate::plan::{Action, Plan, Planned};

/// What is known besides the plan.
#[derive(Debug, Default)]
pub(super) struct Known<'a> {
    /// Images that a worker builds.
    pub(super) building: BTreeSet<ImageId>,
    /// Images that a worker pushes.
    pub(super) pushing: BTreeSet<ImageId>,
    /// Images that failed as they are now.
    pub(super) failed: BTreeSet<ImageId>,
    /// Images whose files cannot be read.
    pub(super) unreadable: BTreeSet<ImageId>,
    /// Images whose files are in doubt.
    pub(super) in_doubt: Option<&'a BTreeSet<ImageId>>,
    /// Whether only what was asked for is built.
    pub(super) no_bases: bool,
    /// Whether nothing is pushed before everything is built.
    pub(super) all_or_nothing: bool,
}

/// Where one image stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is there, or nobody asked for it.
    Fresh,
    /// A worker may take it.
    Ready,
    /// A worker may push it.
    ReadyToPush,
    /// It is built, but not pushed before all others are built too.
    Withheld,
    /// A worker builds it, or its files are about to be looked at.
    Busy,
    /// A worker pushes it.
    Pushing,
    /// What it needs is being built or will be.
    Waiting,
    /// What it needs cannot be built: these images are to blame.
    Blocked(Vec<ImageId>),
    /// It failed, and nothing changed since.
    Failed,
    /// It is built, but could not be pushed.
    PushFailed,
    /// Its files cannot be read.
    Unreadable,
    /// It must be built, but `--no-bases` forbids it.
    Forbidden,
}

impl Standing {
    /// Whether it will get on without a change from outside.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(
            self,
            Self::Ready | Self::ReadyToPush | Self::Busy | Self::Pushing | Self::Waiting
        )
    }

    /// Whether it is to be built or pushed, as far as that is possible now.
    pub(super) fn is_to_do(&self) -> bool {
        self.is_under_way() || *self == Self::Withheld
    }

    /// Whether it cannot get on as it is, by no other image's fault.
    pub(super) fn is_stuck_itself(&self) -> bool {
        matches!(
            self,
            Self::Failed | Self::PushFailed | Self::Unreadable | Self::Forbidden
        )
    }

    /// Whether it is to be built and not begun.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self, Self::Ready | Self::Waiting)
    }

    /// Whether it stops what needs it.
    fn is_stuck(&self) -> bool {
        matches!(
            self,
            Self::Failed | Self::Unreadable | Self::Forbidden | Self::Blocked(_)
        )
    }

    /// Whether it is built, or needs not be.
    fn is_there(&self) -> bool {
        matches!(
            self,
            Self::Fresh | Self::ReadyToPush | Self::Withheld | Self::Pushing | Self::PushFailed
        )
    }
}

/// What may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) id: ImageId,
    /// It is built, and only to be pushed.
    pub(super) is_push: bool,
}

/// Where every image of the graph stands, by id.
#[derive(Debug, Default)]
pub(crate) struct Board(Vec<Standing>);

impl Board {
    pub(super) fn new(graph: &Graph, plan: &Plan, known: &Known<'_>) -> Self {
        let mut board = Self(vec![Standing::Fresh; graph.len()]);
        for id in graph.order() {
            board.0[id.index()] = board.standing(graph, *id, plan.get(*id), known);
        }
        if known.all_or_nothing && !board.0.iter().all(Standing::is_there) {
            for standing in &mut board.0 {
                if *standing == Standing::ReadyToPush {
                    *standing = Standing::Withheld;
                }
            }
        }
        board
    }

    pub(crate) fn get(&self, id: ImageId) -> &Standing {
        &self.0[id.index()]
    }

    /// Whether an image could not be built because of others; images of another graph could.
    pub(super) fn blocks(&self, id: ImageId) -> bool {
        matches!(self.0.get(id.index()), Some(Standing::Blocked(_)))
    }

    /// Whether anything gets on without a change from outside.
    pub(super) fn is_under_way(&self) -> bool {
        self.0.iter().any(Standing::is_under_way)
    }

    /// What may start, the best first: builds by their longest remaining path, then pushes; ties in manifest order.
    pub(super) fn queue(&self, graph: &Graph, remaining: &[f64]) -> Vec<Next> {
        let with = |standing: Standing| graph.ids().filter(move |id| *self.get(*id) == standing);
        let mut builds: Vec<ImageId> = with(Standing::Ready).collect();
        let length = |id: &ImageId| remaining.get(id.index()).copied().unwrap_or_default();
        let longer = |a: &ImageId, b: &ImageId| -> Ordering { length(b).total_cmp(&length(a)) };
        builds.sort_by(longer);
        let next = |is_push| move |id| Next { id, is_push };
        let builds = builds.into_iter().map(next(false));
        builds
            .chain(with(Standing::ReadyToPush).map(next(true)))
            .collect()
    }

    /// A worker took an image. It stays with no other's standing: whoever needed it waits as before.
    pub(super) fn take(&mut self, next: Next) {
        self.0[next.id.index()] = if next.is_push {
            Standing::Pushing
        } else {
            Standing::Busy
        };
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
            Action::Push if known.pushing.contains(&id) => Standing::Pushing,
            Action::Push if has_failed => Standing::PushFailed,
            Action::Push => Standing::ReadyToPush,
            Action::Build if has_failed => Standing::Failed,
            Action::Build if known.no_bases && !image.asked => Standing::Forbidden,
            Action::Build => self.needs(graph, id),
        };
        let is_in_doubt = known.in_doubt.is_some_and(|ids| ids.contains(&id));
        match standing {
            Standing::Ready | Standing::ReadyToPush if is_in_doubt => Standing::Busy,
            standing => standing,
        }
    }

    /// What its bases make of an image that has to be built.
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

#[cfg(test)]
mod tests;
