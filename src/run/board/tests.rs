use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::*;
use crate::spec::{Base, Copy, CopyFrom, ImageSpec};
use crate::workspace::{Image, Places};

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

/// A run without threads: the outcomes of jobs are random.
struct Simulation {
    graph: Graph,
    plan: Plan,
    remaining: Vec<f64>,
    jobs: usize,
    all_or_nothing: bool,
    building: BTreeSet<ImageId>,
    pushing: BTreeSet<ImageId>,
    postponed: BTreeSet<ImageId>,
    failed: BTreeSet<ImageId>,
    built: BTreeSet<ImageId>,
    pushed: BTreeSet<ImageId>,
}

impl Simulation {
    fn known(&self) -> Known<'_> {
        Known {
            building: self.building.clone(),
            pushing: self.pushing.clone(),
            postponed: self.postponed.clone(),
            failed: Cow::Borrowed(&self.failed),
            all_or_nothing: self.all_or_nothing,
            ..Known::default()
        }
    }

    fn board(&self) -> Board {
        Board::new(&self.graph, &self.plan, &self.known())
    }

    /// Starts what may start, and asserts that it may.
    fn start(&mut self, board: &mut Board) -> Result<(), TestCaseError> {
        while self.building.len() + self.pushing.len() < self.jobs
            && let Some(next) = board.next()
        {
            if next.is_push {
                prop_assert!(self.built.contains(&next.id));
                prop_assert!(!self.all_or_nothing || self.built.len() == self.graph.len());
                self.pushing.insert(next.id);
            } else {
                let bases = self.graph.bases(next.id).iter();
                prop_assert!(bases.clone().all(|base| self.built.contains(base)));
                let length = |id: ImageId| self.remaining[id.index()];
                for other in self
                    .graph
                    .ids()
                    .filter(|id| *board.get(*id) == Standing::Ready)
                {
                    let is_first = length(next.id) > length(other)
                        || (length(next.id) >= length(other) && next.id <= other);
                    prop_assert!(is_first, "{next:?} before {other:?}");
                }
                self.building.insert(next.id);
            }
            board.take(next);
        }
        Ok(())
    }

    /// Ends one running job. `how` 0 fails, 1 has to start again, 2 is left to another runner, anything else succeeds. If nothing is
    /// running, ends the wait for another runner, which has built the image or not.
    fn end(&mut self, which: usize, how: u8, pushes: bool) -> Option<ImageId> {
        if self.building.is_empty() && self.pushing.is_empty() {
            let id = self.postponed.pop_first()?;
            if how > 2 {
                self.built.insert(id);
                self.pushed.extend(pushes.then_some(id));
                self.plan.settle(id, Action::Fresh);
            }
            return Some(id);
        }
        let on = self.building.iter().chain(&self.pushing);
        let id = on
            .copied()
            .nth(which % (self.building.len() + self.pushing.len()))?;
        let is_push = self.pushing.remove(&id);
        self.building.remove(&id);
        match how {
            0 => drop(self.failed.insert(id)),
            1 => {}
            2 if !is_push => drop(self.postponed.insert(id)),
            _ if is_push => {
                self.pushed.insert(id);
                self.plan.settle(id, Action::Fresh);
            }
            _ => {
                self.built.insert(id);
                let left = if pushes { Action::Push } else { Action::Fresh };
                self.plan.settle(id, left);
            }
        }
        Some(id)
    }
}

proptest! {
    /// For any graph, order of completion, failures and interrupt: nothing starts before its bases are built, the
    /// longest path goes first, each image ends in exactly one state, and exactly the dependents of a failure are
    /// blocked.
    #[test]
    fn every_run_ends_with_every_image_accounted_for(
        needs in graphs(),
        seconds in proptest::collection::vec(0..4_u8, 20),
        dice in proptest::collection::vec((0..100_usize, 0..12_u8), 300),
        jobs in 1..5_usize,
        (pushes, all_or_nothing) in (proptest::bool::ANY, proptest::bool::ANY),
        interrupt in proptest::option::weighted(0.3, 0..40_usize),
    ) {
        let graph = graph(&needs);
        let mut plan = plan(&graph, &(0..graph.len()).collect());
        for image in &mut plan.images {
            image.seconds = Some(f64::from(seconds[image.id.index()]));
        }
        let mut run = Simulation {
            remaining: plan.remaining(&graph),
            graph,
            plan,
            jobs,
            all_or_nothing,
            building: BTreeSet::new(),
            pushing: BTreeSet::new(),
            postponed: BTreeSet::new(),
            failed: BTreeSet::new(),
            built: BTreeSet::new(),
            pushed: BTreeSet::new(),
        };
        let (mut dice, mut turns) = (dice.into_iter().cycle(), 0);
        let mut board = run.board();
        loop {
            let is_halted = interrupt.is_some_and(|at| turns >= at);
            if !is_halted {
                run.start(&mut board)?;
            }
            let is_idle = run.building.is_empty() && run.pushing.is_empty();
            if is_idle && (is_halted || run.postponed.is_empty()) {
                prop_assert!(is_halted || !board.is_under_way(), "it waits for what never comes");
                break;
            }
            turns += 1;
            let (which, how) = dice.next().expect("endless");
            // The board does not bound restarts, so the test does.
            let ended = run.end(which, if turns > 250 { how.max(3) } else { how }, pushes);
            let again = board.again(&run.graph, &run.plan, &run.known(), &ended.into_iter().collect());
            let whole = run.board();
            for id in run.graph.ids() {
                prop_assert_eq!(board.get(id), whole.get(id), "judged in part and as a whole");
                prop_assert!(!again.contains(&id) || board.blocks(id));
            }
            prop_assert_eq!(board.is_under_way(), whole.is_under_way());
        }
        let unbuilt: BTreeSet<ImageId> = run.failed.difference(&run.built).copied().collect();
        let above = &run.graph.affected(&unbuilt) - &unbuilt;
        for id in run.graph.ids() {
            match board.get(id) {
                Standing::Blocked(blame) => {
                    prop_assert!(above.contains(&id));
                    prop_assert!(blame.iter().all(|other| unbuilt.contains(other)));
                }
                Standing::Failed => prop_assert!(unbuilt.contains(&id)),
                Standing::PushFailed => prop_assert!(run.failed.contains(&id) && pushes),
                Standing::Fresh => prop_assert!(run.built.contains(&id) && pushes == run.pushed.contains(&id)),
                Standing::Withheld => prop_assert!(all_or_nothing && run.built.contains(&id)),
                _ => prop_assert!(interrupt.is_some()),
            }
            prop_assert_eq!(above.contains(&id), matches!(board.get(id), Standing::Blocked(_)));
        }
    }
}

/// A base with a thousand dependents, plus a chain of as many: the cost of a run is linear in steps and edges, not
/// quadratic.
#[test]
fn a_run_judges_each_image_as_often_as_something_happens_to_it() {
    let images = 1000;
    let needs = |at: usize| match at {
        0 => vec![],
        at if at < images => vec![0],
        at => vec![at - 1],
    };
    let graph = graph(&(0..2 * images).map(needs).collect::<Vec<_>>());
    let mut plan = plan(&graph, &(0..graph.len()).collect());
    let mut building = BTreeSet::new();
    let mut board = Board::new(&graph, &plan, &Known::default());
    while board.is_under_way() {
        while building.len() < 8
            && let Some(next) = board.next()
        {
            building.insert(next.id);
            board.take(next);
        }
        let ended = building.pop_first().expect("something goes on");
        plan.settle(ended, Action::Fresh);
        let known = Known {
            building: building.clone(),
            ..Known::default()
        };
        board.again(&graph, &plan, &known, &BTreeSet::from([ended]));
    }
    assert!(graph.ids().all(|id| *board.get(id) == Standing::Fresh));
    let most = 5 * graph.len();
    assert!(board.judged <= most, "{} judgements", board.judged);
}
