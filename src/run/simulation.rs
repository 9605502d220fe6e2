//! Runs in virtual time: what a schedule makes of known durations, on any number of nodes, some of which fail.
//!
//! [`Ours`] is the scheduler of real runs, the same functions that the engine calls. Others can be put beside it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use super::board::{Board, Known};
use crate::graph::{Graph, ImageId};
use crate::plan::{Action, Plan};

/// Decides which image is built next.
pub trait Scheduler {
    /// The image to start now, on a node that is free; it is not returned again unless it is lost.
    fn next(&mut self) -> Option<ImageId>;
    /// An image is built.
    fn ended(&mut self, image: ImageId);
    /// An image was being built by a node that failed.
    fn lost(&mut self, image: ImageId);
}

/// The scheduler of `graph build`.
pub struct Ours<'g> {
    graph: &'g Graph,
    plan: Plan,
    board: Board,
    building: BTreeSet<ImageId>,
}

impl<'g> Ours<'g> {
    /// The start of a run of this plan, whose durations are those that the scheduler expects.
    pub fn new(graph: &'g Graph, plan: Plan) -> Self {
        Self {
            board: Board::new(graph, &plan, &Known::default()),
            graph,
            plan,
            building: BTreeSet::new(),
        }
    }

    fn judge(&mut self, image: ImageId) {
        self.building.remove(&image);
        let known = Known {
            building: self.building.clone(),
            ..Known::default()
        };
        let changed = BTreeSet::from([image]);
        self.board.again(self.graph, &self.plan, &known, &changed);
    }
}

impl Scheduler for Ours<'_> {
    fn next(&mut self) -> Option<ImageId> {
        let next = self.board.next()?;
        self.board.take(next);
        self.building.insert(next.id);
        Some(next.id)
    }

    fn ended(&mut self, image: ImageId) {
        self.plan.settle(image, Action::Fresh);
        self.judge(image);
    }

    fn lost(&mut self, image: ImageId) {
        self.judge(image);
    }
}

/// A node that is gone for a while, with what it was building.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    /// The node, from 0.
    pub node: usize,
    /// When it fails.
    pub at: Duration,
    /// How long it is gone.
    pub lasts: Duration,
}

/// What a simulated run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Simulated {
    /// When the last image was built.
    pub end: Duration,
    /// How many images were built.
    pub built: usize,
    /// How many builds were lost with their nodes.
    pub lost: usize,
}

/// What happens next, after the time and a number that breaks ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// The node finishes what it started as its build of this number.
    Ended {
        node: usize,
        start: usize,
    },
    Down {
        node: usize,
        lasts: Duration,
    },
    Up {
        node: usize,
    },
}

#[derive(Debug, Clone, Copy, Default)]
struct Node {
    image: Option<ImageId>,
    starts: usize,
    /// How many outages it is in.
    outages: usize,
}

/// Builds images that take these times, by image id, each node one at a time.
pub fn simulate(
    scheduler: &mut dyn Scheduler,
    times: &[Duration],
    nodes: usize,
    outages: &[Outage],
) -> Simulated {
    let mut run = Run {
        nodes: vec![Node::default(); nodes],
        free: (0..nodes).collect(),
        happenings: BinaryHeap::new(),
        count: 0,
        outcome: Simulated::default(),
    };
    for outage in outages.iter().filter(|outage| outage.node < nodes) {
        let (node, lasts) = (outage.node, outage.lasts);
        run.add(outage.at, Happening::Down { node, lasts });
    }
    run.start(Duration::ZERO, scheduler, times);
    while let Some(Reverse((now, _, happening))) = run.happenings.pop() {
        run.take(now, happening, scheduler);
        run.start(now, scheduler, times);
    }
    run.outcome
}

struct Run {
    nodes: Vec<Node>,
    free: BTreeSet<usize>,
    happenings: BinaryHeap<Reverse<(Duration, usize, Happening)>>,
    count: usize,
    outcome: Simulated,
}

impl Run {
    fn add(&mut self, at: Duration, happening: Happening) {
        self.count += 1;
        self.happenings.push(Reverse((at, self.count, happening)));
    }

    fn start(&mut self, now: Duration, scheduler: &mut dyn Scheduler, times: &[Duration]) {
        while let Some(node) = self.free.first().copied() {
            let Some(image) = scheduler.next() else {
                return;
            };
            self.free.remove(&node);
            let own = &mut self.nodes[node];
            own.image = Some(image);
            own.starts += 1;
            let start = own.starts;
            self.add(now + times[image.index()], Happening::Ended { node, start });
        }
    }

    fn take(&mut self, now: Duration, happening: Happening, scheduler: &mut dyn Scheduler) {
        match happening {
            Happening::Ended { node, start } => {
                let own = &mut self.nodes[node];
                // A build that was lost does not end.
                if let Some(image) = own.image.take_if(|_| own.starts == start) {
                    self.free.insert(node);
                    self.outcome.built += 1;
                    self.outcome.end = now;
                    scheduler.ended(image);
                }
            }
            Happening::Down { node, lasts } => {
                self.nodes[node].outages += 1;
                self.free.remove(&node);
                if let Some(image) = self.nodes[node].image.take() {
                    self.outcome.lost += 1;
                    scheduler.lost(image);
                }
                self.add(now + lasts, Happening::Up { node });
            }
            Happening::Up { node } => {
                self.nodes[node].outages -= 1;
                if self.nodes[node].outages == 0 {
                    self.free.insert(node);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planned;
    use crate::spec::{Base, ImageSpec};
    use crate::workspace::{Image, Places};

    /// Images `i0`, `i1`, …, each on the given one.
    fn graph(bases: &[Option<usize>]) -> Graph {
        let image = |(at, base): (usize, &Option<usize>)| Image {
            id: format!("i{at}"),
            spec: Box::new(ImageSpec {
                base_image: Some(
                    base.map_or(Base::Scratch, |base| Base::Image(format!("i{base}"))),
                ),
                ..ImageSpec::default()
            }),
            folder: crate::spec::WorkspacePath::default(),
            places: Places::default(),
            allows: Vec::new(),
        };
        Graph::new(&bases.iter().enumerate().map(image).collect::<Vec<_>>()).unwrap()
    }

    fn simulated(
        bases: &[Option<usize>],
        seconds: &[u64],
        nodes: usize,
        outages: &[Outage],
    ) -> Simulated {
        let graph = graph(bases);
        let times: Vec<Duration> = seconds.iter().copied().map(Duration::from_secs).collect();
        let planned = |id: &ImageId| Planned {
            id: *id,
            action: Action::Build,
            reasons: Vec::new(),
            asked: true,
            seconds: Some(times[id.index()].as_secs_f64()),
        };
        let plan = Plan::of(&graph, graph.order().iter().map(planned).collect());
        simulate(&mut Ours::new(&graph, plan), &times, nodes, outages)
    }

    #[test]
    fn a_run_takes_as_long_as_its_longest_chain_if_there_are_nodes() {
        let bases = [None, Some(0), Some(0), Some(1)];
        let run = simulated(&bases, &[3, 4, 9, 7], 2, &[]);
        assert_eq!((run.end, run.built), (Duration::from_secs(14), 4));
        let run = simulated(&bases, &[3, 4, 9, 7], 1, &[]);
        assert_eq!(run.end, Duration::from_secs(23));
    }

    #[test]
    fn what_a_node_was_building_is_built_again() {
        let outage = |node| Outage {
            node,
            at: Duration::from_secs(5),
            lasts: Duration::from_secs(100),
        };
        let run = simulated(&[None, None], &[10, 10], 2, &[outage(0)]);
        assert_eq!((run.end.as_secs(), run.built, run.lost), (20, 2, 1));
        // Nobody is left until they come back.
        let run = simulated(&[None, None], &[10, 10], 2, &[outage(0), outage(1)]);
        assert_eq!((run.end.as_secs(), run.built, run.lost), (115, 2, 2));
    }
}
