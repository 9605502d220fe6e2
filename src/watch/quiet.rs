//! Decides when to look at changes: after a moment of silence, but not too late, and not while git is running.
//!
//! A file that is written continuously would postpone a look forever, so there is a cap. Git's locks are waited for
//! only up to a limit, because a rebase that stops for the user holds them for minutes.

use std::time::Duration;

/// Upper limit on how long ongoing changes postpone a look.
const CAP: Duration = Duration::from_secs(1);

/// Upper limit on how long git postpones a look.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub(super) struct Quiet {
    period: Duration,
    /// Times of the first and the last change since the last look.
    open: Option<(Duration, Duration)>,
    /// When git was first seen running.
    held: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Idle,
    /// Check again at this time.
    Later(Duration),
    /// Git is running: check again at this time.
    Held(Duration),
    Now,
}

impl Quiet {
    pub(super) fn new(period: Duration) -> Self {
        Self {
            period,
            open: None,
            held: None,
        }
    }

    pub(super) fn touch(&mut self, now: Duration) {
        let first = self.open.map_or(now, |(first, _)| first);
        self.open = Some((first, now));
    }

    /// Registers a change that needs no silence before a look.
    pub(super) fn hurry(&mut self, now: Duration) {
        self.open = Some((now.saturating_sub(CAP), now));
    }

    /// Whether there are changes since the last look.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// What to do now; `is_git_busy` is called only if it matters.
    pub(super) fn turn(&mut self, now: Duration, is_git_busy: impl FnOnce() -> bool) -> Turn {
        let Some((first, last)) = self.open else {
            return Turn::Idle;
        };
        let due = (last + self.period).min(first + CAP.max(self.period));
        if now < due {
            return Turn::Later(due);
        }
        if !is_git_busy() {
            self.held = None;
            return Turn::Now;
        }
        let since = *self.held.get_or_insert(now);
        if now >= since + PATIENCE {
            return Turn::Now;
        }
        Turn::Held(
            now + (self.period / 4).clamp(Duration::from_millis(5), Duration::from_millis(50)),
        )
    }

    /// Registers a look, which covers all changes so far.
    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn quiet() -> Quiet {
        Quiet::new(ms(80))
    }

    #[test]
    fn nothing_is_due_before_anything_changed() {
        assert_eq!(quiet().turn(ms(5000), || false), Turn::Idle);
    }

    #[test]
    fn a_burst_is_one_look_after_the_silence() {
        let mut quiet = quiet();
        for at in 0..10 {
            quiet.touch(ms(10 * at));
            assert_eq!(
                quiet.turn(ms(10 * at), || false),
                Turn::Later(ms(10 * at + 80))
            );
        }
        assert_eq!(quiet.turn(ms(169), || false), Turn::Later(ms(170)));
        assert_eq!(quiet.turn(ms(170), || false), Turn::Now);
        quiet.close();
        assert_eq!(quiet.turn(ms(171), || false), Turn::Idle);
    }

    /// Seen in compose#13136 and skaffold#4647.
    #[test]
    fn changes_without_end_do_not_put_a_look_off_for_ever() {
        let mut quiet = quiet();
        let looks: Vec<u64> = (0..250_u64)
            .map(|at| at * 10)
            .filter(|at| {
                quiet.touch(ms(*at));
                let due = quiet.turn(ms(*at), || false) == Turn::Now;
                if due {
                    quiet.close();
                }
                due
            })
            .collect();
        assert_eq!(looks, [1000, 2010]);
    }

    /// Seen in compose#13136 and skaffold#4647.
    #[test]
    fn git_is_waited_for_but_not_for_ever() {
        let mut quiet = quiet();
        quiet.touch(ms(0));
        assert_eq!(quiet.turn(ms(80), || true), Turn::Held(ms(100)));
        assert_eq!(quiet.turn(ms(10_000), || true), Turn::Held(ms(10_020)));
        assert_eq!(quiet.turn(ms(10_020), || false), Turn::Now);
        quiet.close();
        // A rebase that stops for the user: after the limit, saves are looked at as usual.
        quiet.touch(ms(20_000));
        assert_eq!(quiet.turn(ms(20_080), || true), Turn::Held(ms(20_100)));
        assert_eq!(quiet.turn(ms(50_080), || true), Turn::Now);
        quiet.close();
        quiet.touch(ms(60_000));
        assert_eq!(quiet.turn(ms(60_080), || true), Turn::Now);
    }

    #[test]
    fn what_needs_no_silence_is_due_at_once() {
        let mut quiet = quiet();
        quiet.hurry(ms(5000));
        assert_eq!(quiet.turn(ms(5000), || false), Turn::Now);
    }

    #[test]
    fn a_period_longer_than_the_cap_is_kept() {
        let mut quiet = Quiet::new(ms(3000));
        quiet.touch(ms(0));
        assert_eq!(quiet.turn(ms(1000), || false), Turn::Later(ms(3000)));
    }
}
