//! Which node of a pool builds an image: one whose own platform it is, then one that has its base, then the least busy one.
//!
//! Pure. A base that is elsewhere has to be pulled first, which is worth waiting behind a few other builds, but not behind all
//! of them: most graphs grow from one base, and would otherwise stay on the node that built it.

use crate::backend::platform::Platform;

/// How many running builds a base is worth that a node already has.
const BASE: usize = 2;

/// What is known of a node that answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    /// The platforms that it builds for, its own first; empty if it does not say.
    pub(super) platforms: &'a [Platform],
    /// How many builds it runs.
    pub(super) running: usize,
    /// Whether it may run another one.
    pub(super) has_room: bool,
    /// Whether it built a base of the image in this run.
    pub(super) has_base: bool,
}

/// How well a node builds for a platform, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It is its own.
    Native,
    /// It emulates it.
    Emulated,
    /// It does not say that it can run anything for it; but copying files may be all that is asked for.
    Foreign,
}

/// The position of the best of these nodes for an image of these platforms; `None` if those that fit best have no room.
pub(super) fn best<'a>(
    wanted: &[String],
    nodes: impl Iterator<Item = (usize, Candidate<'a>)> + Clone,
) -> Option<usize> {
    let fit_of = |node: &Candidate<'_>| fit(node.platforms, wanted);
    let fit = nodes.clone().map(|(_, node)| fit_of(&node)).min()?;
    let fitting = nodes.filter(|(_, node)| fit_of(node) == fit && node.has_room);
    let (at, _) = fitting.min_by_key(|(at, node)| {
        let worth = if node.has_base { BASE } else { 0 };
        let load = node.running.saturating_sub(worth);
        (load, !node.has_base, node.running, *at)
    })?;
    Some(at)
}

/// How well a node with these platforms builds for all that are wanted.
pub(super) fn fit(platforms: &[Platform], wanted: &[String]) -> Fit {
    let Some(own) = platforms.first() else {
        return Fit::Native;
    };
    let one = |wanted: &String| {
        let mut able = platforms.iter().filter(|platform| platform.is(wanted));
        match able.next() {
            // Variants of its own architecture follow the first platform.
            Some(platform) if platform.architecture == own.architecture => Fit::Native,
            Some(_) => Fit::Emulated,
            None => Fit::Foreign,
        }
    };
    wanted.iter().map(one).max().unwrap_or(Fit::Native)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node: its platforms, how many builds it runs, whether it has the base.
    type Node<'a> = (&'a [&'a str], usize, bool);

    fn chosen(wanted: &[&str], limit: usize, nodes: &[Node<'_>]) -> Option<usize> {
        let platforms: Vec<Vec<Platform>> = nodes
            .iter()
            .map(|(platforms, ..)| platforms.iter().map(|text| Platform::read(text)).collect())
            .collect();
        let candidates = nodes.iter().zip(&platforms).enumerate();
        let candidates = candidates.map(|(at, ((_, running, has_base), platforms))| {
            let candidate = Candidate {
                platforms,
                running: *running,
                has_room: *running < limit,
                has_base: *has_base,
            };
            (at, candidate)
        });
        let wanted: Vec<String> = wanted.iter().map(|&text| text.to_owned()).collect();
        best(&wanted, candidates)
    }

    const AMD: &[&str] = &["linux/amd64", "linux/amd64/v2", "linux/386", "linux/arm64"];
    const ARM: &[&str] = &["linux/arm64", "linux/arm/v7"];
    const OLD: &[&str] = &["linux/s390x"];

    #[test]
    fn the_own_platform_comes_before_everything_else() {
        let nodes = [(AMD, 0, true), (ARM, 7, false), (OLD, 0, true)];
        assert_eq!(chosen(&["linux/arm64"], 9, &nodes), Some(1));
        assert_eq!(chosen(&["linux/amd64"], 9, &nodes), Some(0));
        assert_eq!(chosen(&["linux/amd64/v2"], 9, &nodes), Some(0));
        // Waiting for a native node is better than emulation.
        assert_eq!(chosen(&["linux/arm64"], 7, &nodes), None);
        // Both: only one of them can run both.
        assert_eq!(chosen(&["linux/amd64", "linux/arm64"], 9, &nodes), Some(0));
        // Nobody says that it can: copying files works everywhere.
        assert_eq!(chosen(&["linux/riscv64"], 9, &nodes), Some(0));
        assert_eq!(
            chosen(&["linux/arm64"], 9, &[(&[], 3, false), (AMD, 0, false)]),
            Some(0)
        );
    }

    #[test]
    fn a_base_is_worth_two_builds() {
        let of = |here: usize, there: usize| {
            chosen(
                &["linux/amd64"],
                9,
                &[(AMD, there, false), (AMD, here, true)],
            )
        };
        assert_eq!(
            [of(0, 0), of(1, 0), of(2, 0), of(3, 0)],
            [Some(1), Some(1), Some(1), Some(0)]
        );
        assert_eq!(of(5, 3), Some(1));
        assert_eq!(of(6, 3), Some(0));
    }

    #[test]
    fn otherwise_the_least_busy_one_with_room_and_the_first_of_equals() {
        let nodes = [(AMD, 2, false), (AMD, 1, false), (AMD, 1, false)];
        assert_eq!(chosen(&["linux/amd64"], 4, &nodes), Some(1));
        let full = [(AMD, 2, true), (AMD, 1, false)];
        assert_eq!(chosen(&["linux/amd64"], 2, &full), Some(1));
        assert_eq!(chosen(&["linux/amd64"], 1, &full), None);
        assert_eq!(chosen(&["linux/amd64"], 1, &[]), None);
    }
}
