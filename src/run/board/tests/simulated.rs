//! Runs without threads, on generated graphs.

use super::*;

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
