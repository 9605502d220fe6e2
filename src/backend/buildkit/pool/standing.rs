//! What is known of each node: whether it answers, what it runs, which images it has made; and when to ask one again that
//! did not answer. Pure: the time is a parameter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::place::{self, Candidate};
use crate::backend::platform::Platform;

/// How long a node is left alone that failed; twice as long after each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// It was not heard of yet, and is being asked.
    Unmet,
    /// It answers.
    Ready,
    /// It failed, and is asked again at that time.
    Away {
        why: String,
        until: Instant,
        failures: u32,
    },
}

#[derive(Debug, Clone)]
struct Node {
    standing: Standing,
    platforms: Vec<Platform>,
    running: usize,
    /// The digests of the images that it made.
    made: BTreeSet<String>,
}

/// All nodes of a pool, by position.
#[derive(Debug)]
pub(super) struct Nodes {
    each: Vec<Node>,
    /// The most builds that one of them runs at once.
    most: usize,
    /// Nodes that went away or came back, for the user; see [`Self::news`].
    news: BTreeMap<usize, Option<String>>,
}

/// Where an image can be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// On this node, which now counts it.
    At(usize),
    /// Nowhere until something ends or answers.
    Later,
    /// No node is left.
    Nowhere,
}

impl Nodes {
    pub(super) fn new(count: usize, most: usize) -> Self {
        let node = || Node {
            standing: Standing::Unmet,
            platforms: Vec::new(),
            running: 0,
            made: BTreeSet::new(),
        };
        Self {
            each: (0..count).map(|_| node()).collect(),
            most,
            news: BTreeMap::new(),
        }
    }

    /// Places an image of these platforms on these bases; not on a node where this build was lost before.
    pub(super) fn place(
        &mut self,
        platforms: &[String],
        bases: &[&str],
        lost_on: &BTreeSet<usize>,
    ) -> Placement {
        let usable = self.each.iter().enumerate();
        let usable = usable.filter(|(at, _)| !lost_on.contains(at));
        // The first placement would otherwise depend on who answers first.
        let mut standings = usable.clone().map(|(_, node)| &node.standing);
        if standings.any(|standing| *standing == Standing::Unmet) {
            return Placement::Later;
        }
        let ready = usable.filter(|(_, node)| node.standing == Standing::Ready);
        if ready.clone().next().is_none() {
            return Placement::Nowhere;
        }
        let candidates = ready.map(|(at, node)| {
            let candidate = Candidate {
                platforms: &node.platforms,
                running: node.running,
                has_room: node.running < self.most,
                has_base: bases.iter().any(|base| node.made.contains(*base)),
            };
            (at, candidate)
        });
        let Some(at) = place::best(platforms, candidates) else {
            return Placement::Later;
        };
        self.each[at].running += 1;
        Placement::At(at)
    }

    /// The same nodes without their builds, to try placements on.
    pub(super) fn imagined(&self) -> Self {
        let each = self.each.iter().map(|node| Node {
            running: 0,
            made: BTreeSet::new(),
            ..node.clone()
        });
        Self {
            each: each.collect(),
            most: usize::MAX,
            news: BTreeMap::new(),
        }
    }

    /// A build ended that was placed on this node; `made` is the digest of its result.
    pub(super) fn ended(&mut self, at: usize, made: Option<&str>) {
        self.each[at].running -= 1;
        if let Some(digest) = made {
            self.made(at, digest);
        }
    }

    /// The layers of this image are on this node.
    pub(super) fn made(&mut self, at: usize, digest: &str) {
        self.each[at].made.insert(digest.to_owned());
    }

    /// A node answers, and builds for these platforms.
    pub(super) fn met(&mut self, at: usize, platforms: Vec<Platform>) {
        let node = &mut self.each[at];
        node.platforms = platforms;
        let before = std::mem::replace(&mut node.standing, Standing::Ready);
        if matches!(before, Standing::Away { .. }) {
            self.news.insert(at, None);
        }
    }

    /// A node failed, as a build or a question found out; it is left alone for at least `pause`.
    pub(super) fn failed(&mut self, at: usize, why: &str, pause: Duration, now: Instant) {
        let node = &mut self.each[at];
        let failures = match &node.standing {
            // Its other builds find the same out.
            Standing::Away { until, .. } if *until > now => return,
            Standing::Away { failures, .. } => failures + 1,
            Standing::Unmet | Standing::Ready => {
                self.news.insert(at, Some(why.to_owned()));
                1
            }
        };
        let longer = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures - 1));
        node.standing = Standing::Away {
            why: why.to_owned(),
            until: now + longer.min(LONGEST_PAUSE).max(pause),
            failures,
        };
    }

    /// How long to wait before a node is asked whether it is there; `None` if that is known.
    pub(super) fn due(&self, at: usize, now: Instant) -> Option<Duration> {
        match &self.each[at].standing {
            Standing::Unmet => Some(Duration::ZERO),
            Standing::Ready => None,
            Standing::Away { until, .. } => Some(until.saturating_duration_since(now)),
        }
    }

    /// The nodes that went away since the last call, each with the reason, or came back, with none.
    pub(super) fn news(&mut self) -> BTreeMap<usize, Option<String>> {
        std::mem::take(&mut self.news)
    }

    /// Why a node is away; `None` if it is not.
    pub(super) fn why(&self, at: usize) -> Option<&str> {
        match &self.each[at].standing {
            Standing::Away { why, .. } => Some(why),
            Standing::Unmet | Standing::Ready => None,
        }
    }

    /// The platforms of a node that answers.
    pub(super) fn platforms(&self, at: usize) -> Option<&[Platform]> {
        let node = &self.each[at];
        (node.standing == Standing::Ready).then_some(node.platforms.as_slice())
    }

    /// Whether every node was heard of, or known not to answer.
    pub(super) fn is_met(&self) -> bool {
        let mut each = self.each.iter();
        each.all(|node| node.standing != Standing::Unmet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: BTreeSet<usize> = BTreeSet::new();

    fn ready(count: usize, most: usize) -> Nodes {
        let mut nodes = Nodes::new(count, most);
        (0..count).for_each(|at| nodes.met(at, Vec::new()));
        nodes
    }

    fn place(nodes: &mut Nodes, bases: &[&str]) -> Placement {
        nodes.place(&[], bases, &NEVER)
    }

    #[test]
    fn nothing_is_placed_before_every_node_was_asked() {
        let mut nodes = Nodes::new(2, 9);
        nodes.met(0, Vec::new());
        assert_eq!(place(&mut nodes, &[]), Placement::Later);
        nodes.failed(1, "refused", Duration::ZERO, Instant::now());
        assert_eq!(place(&mut nodes, &[]), Placement::At(0));
        assert_eq!(nodes.news(), BTreeMap::from([(1, Some("refused".into()))]));
        assert!(nodes.news().is_empty() && nodes.is_met());
    }

    #[test]
    fn images_go_where_their_bases_are_and_wait_for_room() {
        let mut nodes = ready(2, 2);
        assert_eq!(place(&mut nodes, &[]), Placement::At(0));
        assert_eq!(place(&mut nodes, &[]), Placement::At(1));
        nodes.ended(1, Some("sha256:a"));
        assert_eq!(place(&mut nodes, &["sha256:a"]), Placement::At(1));
        assert_eq!(place(&mut nodes, &["sha256:a"]), Placement::At(1));
        assert_eq!(place(&mut nodes, &["sha256:a"]), Placement::At(0));
        assert_eq!(place(&mut nodes, &["sha256:a"]), Placement::Later);
        nodes.ended(0, None);
        assert_eq!(place(&mut nodes, &["sha256:a"]), Placement::At(0));
    }

    #[test]
    fn a_node_that_failed_is_left_alone_longer_each_time_and_comes_back() {
        let mut nodes = ready(1, 9);
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            nodes.failed(0, "gone", Duration::ZERO, now);
            // The second build that was there does not make it worse.
            nodes.failed(0, "gone too", Duration::ZERO, now);
            let pause = nodes.due(0, now).unwrap();
            pauses.push(pause.as_secs_f64());
            now += pause;
        }
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
        assert_eq!(place(&mut nodes, &[]), Placement::Nowhere);
        assert_eq!(nodes.why(0), Some("gone"));
        assert_eq!(nodes.news().len(), 1);
        nodes.met(0, Vec::new());
        assert_eq!(nodes.news(), BTreeMap::from([(0, None)]));
        assert_eq!(nodes.due(0, now), None);
        nodes.failed(0, "full", Duration::from_mins(1), now);
        assert_eq!(nodes.due(0, now), Some(Duration::from_mins(1)));
    }

    #[test]
    fn a_build_does_not_return_to_a_node_that_lost_it() {
        let mut nodes = ready(2, 9);
        let lost = BTreeSet::from([0]);
        assert_eq!(nodes.place(&[], &[], &lost), Placement::At(1));
        let lost = BTreeSet::from([0, 1]);
        assert_eq!(nodes.place(&[], &[], &lost), Placement::Nowhere);
    }
}
