//! Who may start next: a pure state machine, owned by one thread.
//!
//! Knows nothing of threads, builders or time. The choice made: no levels; an image is ready the moment that its last base
//! is done, and of the ready ones the one with the longest remaining path goes first (ties in manifest order), because the
//! whole run cannot be shorter than that path.

use crate::graph::{Graph, ImageId};
use crate::plan::{Action, Plan};

/// Where one image stands. Every change goes through `Scheduler::set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is to be built: fresh, pushed only, or no part of the plan.
    Idle,
    /// This many of the builds that it needs are not finished.
    Waiting {
        /// How many.
        left: usize,
    },
    /// All that it needs is there.
    Ready,
    /// A worker has it.
    Running,
    /// Built, tagged, recorded.
    Built,
    /// Its own build failed.
    Failed,
    /// Something that it needs failed, so it was never started.
    Skipped,
    /// Stopped by an interrupt or by `--fail-fast`, running or not.
    Cancelled,
}

/// How a running image ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is there.
    Built,
    /// It could not be built.
    Failed,
    /// It was stopped.
    Cancelled,
    /// It must be built again: its files changed.
    Again,
}

/// The state of a run.
#[derive(Debug)]
pub struct Scheduler<'a> {
    graph: &'a Graph,
    states: Vec<State>,
    remaining: Vec<f64>,
}

impl<'a> Scheduler<'a> {
    /// A run of what the plan builds.
    #[must_use]
    pub fn new(graph: &'a Graph, plan: &Plan) -> Self {
        let mut states = vec![State::Idle; graph.len()];
        for image in plan.builds() {
            let left = graph
                .bases(image.id)
                .iter()
                .filter(|base| builds(plan, **base))
                .count();
            states[image.id.index()] = if left == 0 {
                State::Ready
            } else {
                State::Waiting { left }
            };
        }
        Self {
            graph,
            remaining: remaining(graph, plan),
            states,
        }
    }

    /// Takes the ready image with the longest remaining path; it is running from now on.
    pub fn start(&mut self) -> Option<ImageId> {
        let ready = self
            .graph
            .ids()
            .filter(|id| self.state(*id) == State::Ready);
        let length = |id: ImageId| self.remaining[id.index()];
        let next = ready.reduce(|best, id| if length(id) > length(best) { id } else { best })?;
        self.set(next, State::Running);
        Some(next)
    }

    /// Notes how a running image ended, and returns the images that are skipped because of it.
    pub fn finish(&mut self, id: ImageId, ending: Ending) -> Vec<ImageId> {
        assert_eq!(
            self.state(id),
            State::Running,
            "BUG: `{}` ended without running",
            self.graph.name(id)
        );
        match ending {
            Ending::Built => {
                self.set(id, State::Built);
                Vec::new()
            }
            Ending::Again => {
                self.set(id, State::Ready);
                Vec::new()
            }
            Ending::Cancelled => {
                self.set(id, State::Cancelled);
                self.stop_dependents(id, State::Cancelled);
                Vec::new()
            }
            Ending::Failed => {
                self.set(id, State::Failed);
                self.stop_dependents(id, State::Skipped)
            }
        }
    }

    /// Nothing more is started: what waits or is ready is cancelled and returned.
    pub fn cancel(&mut self) -> Vec<ImageId> {
        let stopped: Vec<ImageId> = self.graph.ids().filter(|id| self.is_pending(*id)).collect();
        for id in &stopped {
            self.set(*id, State::Cancelled);
        }
        stopped
    }

    /// Where an image stands.
    #[must_use]
    pub fn state(&self, id: ImageId) -> State {
        self.states[id.index()]
    }

    /// All images in this state, in manifest order.
    pub fn all(&self, state: State) -> impl Iterator<Item = ImageId> + '_ {
        self.graph.ids().filter(move |id| self.state(*id) == state)
    }

    /// Whether something is running, ready or waiting.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.graph
            .ids()
            .any(|id| self.is_pending(id) || self.state(id) == State::Running)
    }

    fn is_pending(&self, id: ImageId) -> bool {
        matches!(self.state(id), State::Waiting { .. } | State::Ready)
    }

    fn stop_dependents(&mut self, id: ImageId, state: State) -> Vec<ImageId> {
        let all = self.graph.affected(&std::collections::BTreeSet::from([id]));
        let stopped: Vec<ImageId> = all.into_iter().filter(|id| self.is_pending(*id)).collect();
        for id in &stopped {
            self.set(*id, state);
        }
        stopped
    }

    /// The one place where a state changes: a build that is done counts down those that wait for it.
    fn set(&mut self, id: ImageId, state: State) {
        self.states[id.index()] = state;
        if state != State::Built {
            return;
        }
        for dependent in self.graph.dependents(id) {
            if let State::Waiting { left } = self.state(dependent) {
                self.states[dependent.index()] = if left == 1 {
                    State::Ready
                } else {
                    State::Waiting { left: left - 1 }
                };
            }
        }
    }
}

fn builds(plan: &Plan, id: ImageId) -> bool {
    plan.get(id)
        .is_some_and(|image| image.action == Action::Build)
}

/// For each image its own expected seconds and those of the longest chain of builds on top of it.
pub(crate) fn remaining(graph: &Graph, plan: &Plan) -> Vec<f64> {
    let weights = plan.weights(graph.len());
    let mut remaining = vec![0.0_f64; graph.len()];
    for id in graph.order().iter().rev() {
        let above = graph
            .dependents(*id)
            .into_iter()
            .map(|dependent| remaining[dependent.index()])
            .fold(0.0, f64::max);
        remaining[id.index()] = weights[id.index()].map_or(0.0, |own| own + above);
    }
    remaining
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Planned;
    use crate::spec::{Base, Copy, CopyFrom, ImageSpec, WorkspacePath};
    use crate::workspace::{Image, Places};

    /// Images `i0`, `i1` …; each needs the given earlier ones.
    fn graph(needs: &[Vec<usize>]) -> Graph {
        let image = |(at, needs): (usize, &Vec<usize>)| {
            let mut spec = ImageSpec {
                base_image: Some(Base::Scratch),
                ..ImageSpec::default()
            };
            for need in needs {
                let from = CopyFrom::Image {
                    image: format!("i{need}"),
                    path: "/x".into(),
                };
                spec.copy.push(Copy {
                    from,
                    to: None,
                    owner: None,
                });
            }
            Image {
                id: format!("i{at}"),
                spec,
                folder: WorkspacePath::default(),
                places: Places::default(),
            }
        };
        Graph::new(&needs.iter().enumerate().map(image).collect::<Vec<_>>()).expect("no cycle")
    }

    fn plan(graph: &Graph, seconds: &[f64]) -> Plan {
        let planned = |id: &ImageId| Planned {
            id: *id,
            action: Action::Build,
            reasons: Vec::new(),
            asked: true,
            seconds: seconds.get(id.index()).copied(),
        };
        Plan {
            images: graph.order().iter().map(planned).collect(),
        }
    }

    #[test]
    fn the_longest_remaining_path_starts_first_and_ties_follow_the_manifest() {
        let graph = graph(&[vec![], vec![], vec![], vec![1]]);
        let plan = plan(&graph, &[3.0, 2.0, 3.0, 5.0]);
        let mut scheduler = Scheduler::new(&graph, &plan);
        let started: Vec<u32> = std::iter::from_fn(|| scheduler.start())
            .map(|id| id.0)
            .collect();
        assert_eq!(started, [1, 0, 2]);
    }

    #[test]
    fn a_failure_skips_what_needs_it_and_a_cancel_stops_the_rest() {
        let graph = graph(&[vec![], vec![0], vec![1], vec![]]);
        let plan = plan(&graph, &[]);
        let mut scheduler = Scheduler::new(&graph, &plan);
        assert_eq!(scheduler.start(), Some(ImageId(0)));
        assert_eq!(
            scheduler.finish(ImageId(0), Ending::Failed),
            [ImageId(1), ImageId(2)]
        );
        assert_eq!(scheduler.cancel(), [ImageId(3)]);
        assert!(!scheduler.is_busy());
        assert_eq!(scheduler.state(ImageId(2)), State::Skipped);
    }

    #[test]
    fn an_image_that_must_begin_again_is_ready_again() {
        let graph = graph(&[vec![], vec![0]]);
        let plan = plan(&graph, &[]);
        let mut scheduler = Scheduler::new(&graph, &plan);
        let first = scheduler.start().unwrap();
        scheduler.finish(first, Ending::Again);
        assert_eq!(scheduler.start(), Some(first));
        scheduler.finish(first, Ending::Built);
        assert_eq!(scheduler.start(), Some(ImageId(1)));
    }

    fn graphs() -> impl Strategy<Value = Vec<Vec<usize>>> {
        (1..24_usize).prop_flat_map(|images| {
            (0..images)
                .map(|at| {
                    proptest::collection::btree_set(0..at.max(1), 0..4).prop_map(move |needs| {
                        needs.into_iter().filter(|need| *need < at).collect()
                    })
                })
                .collect::<Vec<_>>()
        })
    }

    proptest! {
        /// Whatever the graph, the order of endings and the failures: nothing starts before what it needs is built, each
        /// image ends in exactly one state, and what is skipped is exactly what stands on a failure.
        #[test]
        fn every_run_ends_with_every_image_accounted_for(needs in graphs(), choices in proptest::collection::vec((0..100_usize, 0..10_u8), 200), jobs in 1..5_usize) {
            let graph = graph(&needs);
            let plan = plan(&graph, &[]);
            let mut scheduler = Scheduler::new(&graph, &plan);
            let (mut running, mut failed, mut choices) = (Vec::new(), std::collections::BTreeSet::new(), choices.into_iter().cycle());
            while scheduler.is_busy() {
                while running.len() < jobs && let Some(id) = scheduler.start() {
                    prop_assert!(graph.bases(id).iter().all(|base| scheduler.state(*base) == State::Built));
                    running.push(id);
                }
                let (which, how) = choices.next().expect("endless");
                let id = running.swap_remove(which % running.len());
                let ending = match how { 0 => Ending::Failed, 1 => Ending::Again, _ => Ending::Built };
                if ending == Ending::Failed { failed.insert(id); }
                scheduler.finish(id, ending);
            }
            prop_assert!(running.is_empty());
            let above: std::collections::BTreeSet<ImageId> = graph.affected(&failed).difference(&failed).copied().collect();
            prop_assert_eq!(scheduler.all(State::Skipped).collect::<std::collections::BTreeSet<_>>(), above.clone());
            prop_assert_eq!(scheduler.all(State::Built).count() + failed.len() + above.len(), graph.len());
        }
    }
}
