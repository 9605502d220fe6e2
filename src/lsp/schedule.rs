//! When to look at the workspaces: soon after the last change, but also while changes do not end. Knows no clock.

use std::time::{Duration, Instant};

/// How long nothing changes before a look.
const QUIET: Duration = Duration::from_millis(60);

/// How long a look waits for that.
const PATIENCE: Duration = Duration::from_millis(400);

/// Counts changes and looks.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// The number of changes so far.
    changes: u64,
    /// The first and the last change that no look has seen.
    unseen: Option<(Instant, Instant)>,
    is_looking: bool,
}

impl Schedule {
    pub(super) fn change(&mut self, now: Instant) {
        self.changes += 1;
        let first = self.unseen.map_or(now, |(first, _)| first);
        self.unseen = Some((first, now));
    }

    /// The number of changes so far.
    pub(super) fn generation(&self) -> u64 {
        self.changes
    }

    /// Whether a look has seen all changes, and has ended.
    pub(super) fn is_idle(&self) -> bool {
        self.unseen.is_none() && !self.is_looking
    }

    /// When the next look is due; at once, if somebody waits for it. `None` if there is nothing to see, or a look is under way.
    pub(super) fn due(&self, is_awaited: bool) -> Option<Instant> {
        let (first, last) = self.unseen.filter(|_| !self.is_looking)?;
        Some(if is_awaited {
            last
        } else {
            (last + QUIET).min(first + PATIENCE)
        })
    }

    /// Begins a look, and returns how many changes it sees.
    pub(super) fn begin(&mut self) -> u64 {
        self.unseen = None;
        self.is_looking = true;
        self.changes
    }

    pub(super) fn end(&mut self) {
        self.is_looking = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_comes_after_the_last_change_and_never_too_late() {
        let mut schedule = Schedule::default();
        let start = Instant::now();
        assert_eq!(schedule.due(false), None);
        assert!(schedule.is_idle());
        schedule.change(start);
        assert_eq!(schedule.due(false), Some(start + QUIET));
        assert_eq!(schedule.due(true), Some(start));
        for count in 1..1000 {
            schedule.change(start + Duration::from_millis(count));
        }
        assert_eq!(schedule.due(false), Some(start + PATIENCE));
        assert_eq!(schedule.begin(), 1000);
        assert_eq!(schedule.due(true), None);
        // A change during a look waits for the next one.
        schedule.change(start);
        assert_eq!(schedule.due(true), None);
        schedule.end();
        assert!(!schedule.is_idle());
        assert_eq!(schedule.due(false), Some(start + QUIET));
        assert_eq!(schedule.begin(), schedule.generation());
        schedule.end();
        assert!(schedule.is_idle());
    }
}
