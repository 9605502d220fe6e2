//! Who may start next: a pure state machine, owned by one thread.
//!
//! Knows nothing of threads, builders or time. The choice made: no levels; an image is ready the moment that its last base
//! is done, and of the ready ones the one with the longest remaining path goes first (ties in manifest order), because the
//! whole run cannot be shorter than that path.

use crate::graph::{Graph, ImageId};
use crate::plan::{Action, Plan};

/// Where one image stands. Every change goes through [`Scheduler::set`].
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
            let left = graph.bases(image.id).iter().filter(|base| builds(plan, **base)).count();
            states[image.id.index()] = if left == 0 { State::Ready } else { State::Waiting { left } };
        }
        Self { graph, remaining: remaining(graph, plan), states }
    }

    /// Takes the ready image with the longest remaining path; it is running from now on.
    pub fn start(&mut self) -> Option<ImageId> {
        let ready = self.graph.ids().filter(|id| self.state(*id) == State::Ready);
        let length = |id: ImageId| self.remaining[id.index()];
        let next = ready.reduce(|best, id| if length(id) > length(best) { id } else { best })?;
        self.set(next, State::Running);
        Some(next)
    }

    /// Notes how a running image ended, and returns the images that are skipped because of it.
    pub fn finish(&mut self, id: ImageId, ending: Ending) -> Vec<ImageId> {
        assert_eq!(self.state(id), State::Running, "BUG: `{}` ended without running", self.graph.name(id));
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
        self.graph.ids().any(|id| self.is_pending(id) || self.state(id) == State::Running)
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
                self.states[dependent.index()] = if left == 1 { State::Ready } else { State::Waiting { left: left - 1 } };
            }
        }
    }
}

fn builds(plan: &Plan, id: ImageId) -> bool {
    plan.get(id).is_some_and(|image| image.action == Action::Build)
}

/// For each image its own expected seconds and those of the longest chain of builds on top of it.
fn remaining(graph: &Graph, plan: &Plan) -> Vec<f64> {
    let weights = plan.weights(graph.len());
    let mut remaining = vec![0.0_f64; graph.len()];
    for id in graph.order().iter().rev() {
        let above = graph.dependents(*id).into_iter().map(|dependent| remaining[dependent.index()]).fold(0.0, f64::max);
        remaining[id.index()] = weights[id.index()].map_or(0.0, |own| own + above);
    }
    remaining
}
