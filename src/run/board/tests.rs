use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::spec::{Base, Copy, CopyFrom, ImageSpec};
use crate::workspace::{Image, Places};

mod simulated;

/// Images `i0`, `i1`, …; each depends on the given earlier ones.
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
        spec: Box::new(ImageSpec {
            base_image: Some(Base::Scratch),
            copy: needs.iter().map(copy).collect(),
            ..ImageSpec::default()
        }),
        folder: crate::spec::WorkspacePath::default(),
        places: Places::default(),
        allows: Vec::new(),
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
    Plan::of(graph, graph.order().iter().map(image).collect())
}

fn standings(graph: &Graph, plan: &Plan, known: &Known<'_>) -> Vec<Standing> {
    let board = Board::new(graph, plan, known);
    graph.ids().map(|id| board.get(id).clone()).collect()
}

fn ids(ids: &[u32]) -> BTreeSet<ImageId> {
    ids.iter().map(|id| ImageId(*id)).collect()
}

#[test]
fn what_needs_a_failed_image_names_it_through_others() {
    let graph = graph(&[vec![], vec![0], vec![1], vec![]]);
    let plan = plan(&graph, &BTreeSet::from([0, 1, 2, 3]));
    let known = Known {
        failed: Cow::Owned(ids(&[0])),
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
    let in_doubt = ids(&[0]);
    let known = Known {
        in_doubt: Some(&in_doubt),
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
    /// For any mix of stale, running, failed and unreadable images: a ready image has only fresh bases, and while
    /// anything is under way, something is ready or busy.
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
            building: as_ids(with(2)),
            failed: Cow::Owned(as_ids(with(4).difference(&with(2)).copied().collect())),
            unreadable: as_ids(&with(8) & &with(4)),
            ..Known::default()
        };
        let plan = plan(&graph, &with(1));
        let is_under_way = Board::new(&graph, &plan, &known).is_under_way();
        let board = standings(&graph, &plan, &known);
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
        prop_assert_eq!(is_under_way, is_busy);
    }
}

#[test]
fn the_longest_remaining_path_starts_first_and_ties_follow_the_manifest() {
    let graph = graph(&[vec![], vec![], vec![], vec![1]]);
    let mut plan = plan(&graph, &BTreeSet::from([0, 1, 2, 3]));
    for (image, seconds) in plan.images.iter_mut().zip([3.0, 2.0, 3.0, 5.0]) {
        image.seconds = Some(seconds);
    }
    let mut board = Board::new(&graph, &plan, &Known::default());
    let mut order = Vec::new();
    while let Some(next) = board.next() {
        board.take(next);
        order.push(next.id.0);
    }
    assert_eq!(order, [1, 0, 2]);
}

#[test]
fn with_all_or_nothing_what_is_built_is_withheld_until_all_is_and_for_good_when_one_failed() {
    let graph = graph(&[vec![], vec![]]);
    let mut plan = plan(&graph, &BTreeSet::from([0, 1]));
    plan.settle(ImageId(0), Action::Push);
    let known = |failed: &[u32]| Known {
        failed: Cow::Owned(ids(failed)),
        all_or_nothing: true,
        ..Known::default()
    };
    let board = standings(&graph, &plan, &known(&[]));
    assert_eq!(board, [Standing::Withheld, Standing::Ready]);
    let board = Board::new(&graph, &plan, &known(&[1]));
    assert_eq!(*board.get(ImageId(0)), Standing::Withheld);
    assert!(!board.is_under_way(), "a wave that waits for it has no end");
    plan.settle(ImageId(1), Action::Push);
    let board = standings(&graph, &plan, &known(&[1]));
    assert_eq!(board, [Standing::ReadyToPush, Standing::PushFailed]);
}

#[test]
fn an_image_that_another_runner_builds_keeps_no_worker_and_its_dependents_wait() {
    let graph = graph(&[vec![], vec![0], vec![]]);
    let plan = plan(&graph, &BTreeSet::from([0, 1, 2]));
    let known = Known {
        postponed: ids(&[0]),
        ..Known::default()
    };
    let board = Board::new(&graph, &plan, &known);
    let standings = graph.ids().map(|id| board.get(id).clone());
    assert_eq!(
        standings.collect::<Vec<_>>(),
        [Standing::Postponed, Standing::Waiting, Standing::Ready]
    );
    assert_eq!(board.next().map(|next| next.id), Some(ImageId(2)));
    assert!(board.is_under_way());
}

#[test]
fn pushes_that_others_wait_for_go_before_builds() {
    let graph = graph(&[vec![], vec![]]);
    let mut plan = plan(&graph, &BTreeSet::from([0, 1]));
    plan.settle(ImageId(0), Action::Push);
    let chances = RandomState::new();
    for shared in [None, Some(&chances)] {
        let known = Known {
            shared,
            ..Known::default()
        };
        let next = Board::new(&graph, &plan, &known).next();
        assert_eq!(next.map(|next| next.is_push), Some(shared.is_some()));
    }
}

#[test]
fn runners_that_share_a_graph_begin_with_different_images_but_with_long_paths() {
    // Eight chains of three, eight images on their own.
    let chain = |at: usize| [vec![], vec![3 * at], vec![3 * at + 1]];
    let mut bases: Vec<Vec<usize>> = (0..8).flat_map(chain).collect();
    bases.extend(vec![vec![]; 8]);
    let graph = graph(&bases);
    let plan = plan(&graph, &(0..bases.len()).collect());
    let first = |_| {
        let chances = RandomState::new();
        let known = Known {
            shared: Some(&chances),
            ..Known::default()
        };
        Board::new(&graph, &plan, &known).next().map(|next| next.id)
    };
    let firsts: BTreeSet<_> = (0..40).map(first).collect();
    assert!(firsts.len() > 2, "{firsts:?}");
    let starts: BTreeSet<_> = (0..8).map(|at| Some(ImageId(3 * at))).collect();
    assert!(firsts.is_subset(&starts), "{firsts:?}");
}
