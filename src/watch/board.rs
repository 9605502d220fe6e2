//! Where each image stands, and which may start: one pure function of what is known now.
//!
//! Knows no time and no threads. The choice made: nothing is remembered from step to step. Whatever happened — a file
//! changed, a build ended, the manifests were read anew — the board is made again from the plan, so no state can be left
//! over from a graph that is no more.

use std::collections::BTreeSet;

use crate::graph::{Graph, ImageId};
use crate::plan::{Action, Plan};

/// What is known besides the plan.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Images that a worker builds.
    pub(super) running: BTreeSet<ImageId>,
    /// Images that a worker pushes.
    pub(super) pushing: BTreeSet<ImageId>,
    /// Images that failed as they are now.
    pub(super) failed: BTreeSet<ImageId>,
    /// Images whose files cannot be read.
    pub(super) unreadable: BTreeSet<ImageId>,
    /// Images whose files are in doubt.
    pub(super) in_doubt: BTreeSet<ImageId>,
    /// Whether only what was asked for is built.
    pub(super) no_bases: bool,
}

/// Where one image stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is there, or nobody asked for it.
    Fresh,
    /// A worker may take it.
    Ready,
    /// A worker may push it.
    ReadyToPush,
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

    /// Whether it stops what needs it.
    fn is_stuck(&self) -> bool {
        matches!(
            self,
            Self::Failed | Self::Unreadable | Self::Forbidden | Self::Blocked(_)
        )
    }
}

/// Where every image of the graph stands, by id.
pub(super) fn standings(graph: &Graph, plan: &Plan, known: &Known) -> Vec<Standing> {
    let mut board = vec![Standing::Fresh; graph.len()];
    let mut planned = vec![None; graph.len()];
    for image in &plan.images {
        planned[image.id.index()] = Some(image);
    }
    for id in graph.order() {
        let standing = match planned[id.index()] {
            _ if known.running.contains(id) => Standing::Busy,
            _ if known.unreadable.contains(id) => Standing::Unreadable,
            None => Standing::Fresh,
            Some(image) => match image.action {
                Action::Fresh => Standing::Fresh,
                Action::Push if known.pushing.contains(id) => Standing::Pushing,
                Action::Push if known.failed.contains(id) => Standing::PushFailed,
                Action::Push => Standing::ReadyToPush,
                Action::Build if known.failed.contains(id) => Standing::Failed,
                Action::Build if known.no_bases && !image.asked => Standing::Forbidden,
                Action::Build => needs(graph, &board, *id),
            },
        };
        board[id.index()] = match standing {
            Standing::Ready | Standing::ReadyToPush if known.in_doubt.contains(id) => {
                Standing::Busy
            }
            standing => standing,
        };
    }
    board
}

/// What its bases make of an image that has to be built.
fn needs(graph: &Graph, board: &[Standing], id: ImageId) -> Standing {
    let mut blame = BTreeSet::new();
    let mut waits = false;
    for base in graph.bases(id) {
        match &board[base.index()] {
            Standing::Blocked(others) => blame.extend(others.iter().copied()),
            stuck if stuck.is_stuck() => drop(blame.insert(base)),
            Standing::Fresh | Standing::ReadyToPush | Standing::Pushing | Standing::PushFailed => {}
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Planned;
    use crate::spec::{Base, Copy, CopyFrom, ImageSpec};
    use crate::workspace::{Image, Places};

    /// Images `i0`, `i1` …; each needs the given earlier ones.
    fn graph(needs: &[Vec<usize>]) -> Graph {
        let copy = |need: &usize| Copy {
            from: CopyFrom::Image {
                image: format!("i{need}"),
                path: "/x".into(),
            },
            to: None,
            owner: None,
        };
        let image = |(at, needs): (usize, &Vec<usize>)| Image {
            id: format!("i{at}"),
            spec: ImageSpec {
                base_image: Some(Base::Scratch),
                copy: needs.iter().map(copy).collect(),
                ..ImageSpec::default()
            },
            folder: crate::spec::WorkspacePath::default(),
            places: Places::default(),
        };
        Graph::new(&needs.iter().enumerate().map(image).collect::<Vec<_>>()).unwrap()
    }

    fn plan(graph: &Graph, builds: &BTreeSet<usize>) -> Plan {
        let image = |id: &ImageId| Planned {
            id: *id,
            action: if builds.contains(&id.index()) {
                Action::Build
            } else {
                Action::Fresh
            },
            reasons: Vec::new(),
            asked: true,
            seconds: None,
        };
        Plan {
            images: graph.order().iter().map(image).collect(),
        }
    }

    fn ids(ids: &[u32]) -> BTreeSet<ImageId> {
        ids.iter().map(|id| ImageId(*id)).collect()
    }

    #[test]
    fn what_needs_a_failed_image_names_it_through_others() {
        let graph = graph(&[vec![], vec![0], vec![1], vec![]]);
        let plan = plan(&graph, &BTreeSet::from([0, 1, 2, 3]));
        let known = Known {
            failed: ids(&[0]),
            ..Known::default()
        };
        let blocked = Standing::Blocked(vec![ImageId(0)]);
        assert_eq!(
            standings(&graph, &plan, &known),
            [Standing::Failed, blocked.clone(), blocked, Standing::Ready]
        );
    }

    #[test]
    fn what_stands_on_unreadable_files_waits_only_if_it_has_to_be_built() {
        let graph = graph(&[vec![], vec![0], vec![0]]);
        let known = Known {
            unreadable: ids(&[0]),
            ..Known::default()
        };
        let board = standings(&graph, &plan(&graph, &BTreeSet::from([1])), &known);
        assert_eq!(
            board,
            [
                Standing::Unreadable,
                Standing::Blocked(vec![ImageId(0)]),
                Standing::Fresh
            ]
        );
    }

    #[test]
    fn an_image_in_doubt_is_not_started() {
        let graph = graph(&[vec![], vec![]]);
        let known = Known {
            in_doubt: ids(&[0]),
            ..Known::default()
        };
        let board = standings(&graph, &plan(&graph, &BTreeSet::from([0, 1])), &known);
        assert_eq!(board, [Standing::Busy, Standing::Ready]);
    }

    #[test]
    fn no_bases_forbids_what_was_not_asked_for() {
        let graph = graph(&[vec![], vec![0]]);
        let mut plan = plan(&graph, &BTreeSet::from([0, 1]));
        plan.images[0].asked = false;
        let known = Known {
            no_bases: true,
            ..Known::default()
        };
        assert_eq!(
            standings(&graph, &plan, &known),
            [Standing::Forbidden, Standing::Blocked(vec![ImageId(0)])]
        );
    }

    fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
        (1..20_usize).prop_flat_map(|images| {
            let needs = |at: usize| {
                proptest::collection::btree_set(0..at.max(1), 0..4)
                    .prop_map(move |needs| needs.into_iter().filter(|need| *need < at).collect())
            };
            (0..images).map(needs).collect::<Vec<_>>()
        })
    }

    proptest! {
        /// Whatever has to be built, runs, failed or cannot be read: what is ready stands only on what is there, and as long
        /// as anything is under way, something is ready or busy.
        #[test]
        fn nothing_starts_too_early_and_nothing_is_forgotten(
            needs in graphs(),
            marks in proptest::collection::vec(0..16_u8, 20),
        ) {
            let graph = graph(&needs);
            let with = |bit: u8| -> BTreeSet<usize> {
                (0..graph.len()).filter(|at| marks[*at] & bit != 0).collect()
            };
            let as_ids = |set: BTreeSet<usize>| -> BTreeSet<ImageId> {
                graph.ids().filter(|id| set.contains(&id.index())).collect()
            };
            let known = Known {
                running: as_ids(with(2)),
                failed: as_ids(with(4).difference(&with(2)).copied().collect()),
                unreadable: as_ids(&with(8) & &with(4)),
                ..Known::default()
            };
            let board = standings(&graph, &plan(&graph, &with(1)), &known);
            for id in graph.ids() {
                if board[id.index()] == Standing::Ready {
                    for base in graph.bases(id) {
                        prop_assert_eq!(&board[base.index()], &Standing::Fresh);
                    }
                }
                if let Standing::Blocked(blame) = &board[id.index()] {
                    prop_assert!(blame.iter().all(|other| matches!(board[other.index()], Standing::Failed | Standing::Unreadable)));
                }
            }
            let is_busy = board.iter().any(|standing| matches!(standing, Standing::Ready | Standing::Busy));
            prop_assert_eq!(board.iter().any(Standing::is_under_way), is_busy);
        }
    }
}
