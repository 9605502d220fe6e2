//! Runs one target: generates inputs, monitors run time and memory, and reports a failing input by its seed.

use std::any::Any;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::random::Random;

/// The default first seed.
const FIRST_SEED: u64 = 0x1357_0000_0000;

/// Time limit per input, whatever the load on the machine.
const LIMIT: Duration = Duration::from_secs(20);

/// CPU time limit per input.
const SLOW: Duration = Duration::from_secs(if cfg!(debug_assertions) { 8 } else { 2 });

/// Limit on resident memory.
const MEMORY: u64 = 6 << 30;

/// Interval of the watchdog.
const TICK: Duration = Duration::from_millis(200);

/// How many smaller inputs to try when minimizing a failing one, and for how long.
const TRIES: usize = 2000;
const PATIENCE: Duration = Duration::from_secs(10);

/// An input of a target.
pub(crate) trait Case: Clone {
    /// The representation to print on failure.
    fn shown(&self) -> String;

    /// A smaller input: this one without the given one of its `of` parts. `None` if that part is empty.
    fn without(&self, part: usize, of: usize) -> Option<Self>;
}

impl Case for String {
    fn shown(&self) -> String {
        format!("{self}\n--- as a literal: {self:?}")
    }

    fn without(&self, part: usize, of: usize) -> Option<Self> {
        let at = |part: usize| self.floor_char_boundary(self.len() * part / of);
        let (start, end) = (at(part), at(part + 1));
        (start < end).then(|| self[..start].to_owned() + &self[end..])
    }
}

impl Case for Vec<u8> {
    fn shown(&self) -> String {
        format!(
            "{}\n--- as a literal: b\"{}\"",
            String::from_utf8_lossy(self),
            self.escape_ascii()
        )
    }

    fn without(&self, part: usize, of: usize) -> Option<Self> {
        let (start, end) = (self.len() * part / of, self.len() * (part + 1) / of);
        (start < end).then(|| [&self[..start], &self[end..]].concat())
    }
}

/// A fuzz target.
pub(crate) struct Fuzz<M, J> {
    /// Name for statistics and failures.
    pub(crate) name: &'static str,
    /// Default number of inputs, which should take a few seconds in a debug build.
    pub(crate) runs: u64,
    /// Makes the input of a seed.
    pub(crate) make: M,
    /// Panics if an input reveals a mistake; otherwise returns whether the input was accepted.
    pub(crate) judge: J,
}

/// The statistics of a target's run.
pub(crate) struct Tally {
    pub(crate) runs: u64,
    pub(crate) accepted: u64,
}

impl Tally {
    /// Asserts the minimum percentage of accepted inputs; a grammar with fewer tests little.
    #[track_caller]
    pub(crate) fn accepts(&self, percent: u64) {
        let least = self.runs * percent / 100;
        // A single repeated input says nothing about the percentage.
        assert!(
            self.runs < 200 || self.accepted >= least,
            "only {} of {} inputs were accepted",
            self.accepted,
            self.runs
        );
    }
}

impl<I: Case, M: Fn(&mut Random) -> I + Sync, J: FnMut(&I) -> bool> Fuzz<M, J> {
    /// Runs the target with the seed and number of inputs given by the environment.
    #[track_caller]
    pub(crate) fn run(self) -> Tally {
        let runs = number("IMGSPEC_FUZZ_RUNS").unwrap_or(self.runs);
        self.of(number("IMGSPEC_FUZZ_SEED").unwrap_or(FIRST_SEED), runs)
    }

    #[track_caller]
    fn of(self, first: u64, runs: u64) -> Tally {
        let Self {
            name,
            make,
            mut judge,
            ..
        } = self;
        let begun = Instant::now();
        let mut tally = Tally { runs, accepted: 0 };
        let watch = Watch::default();
        let failure = thread::scope(|scope| {
            let (make, seen) = (&make, &watch);
            let shown = move |seed| make(&mut Random::new(seed)).shown();
            let dog = scope.spawn(move || seen.guard(name, shown));
            let failure = (first..first + runs).find_map(|seed| {
                let input = make(&mut Random::new(seed));
                watch.begins(seed);
                match timed(&mut judge, &input) {
                    Ok(accepted) => {
                        tally.accepted += u64::from(accepted);
                        None
                    }
                    Err(why) => {
                        watch.begins(Watch::NOTHING);
                        Some((seed, smallest(&mut judge, input, &why), why))
                    }
                }
            });
            watch.begins(Watch::END);
            dog.thread().unpark();
            failure
        });
        if let Some((seed, input, why)) = failure {
            panic!(
                "fuzz {name}: seed {seed} fails: {why}\n--- again: IMGSPEC_FUZZ_SEED={seed} IMGSPEC_FUZZ_RUNS=1\n--- made smaller:\n{}",
                input.shown()
            );
        }
        let seconds = begun.elapsed().as_secs_f64();
        let share = (tally.accepted * 100).checked_div(runs).unwrap_or(0);
        eprintln!("fuzz {name}: {runs} inputs, {share} % accepted, {seconds:.0} s");
        tally
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Whether an input was accepted, or the message of its panic.
fn attempt<I>(judge: &mut impl FnMut(&I) -> bool, input: &I) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(|| judge(input))).map_err(|panic| words(panic.as_ref()))
}

/// Like [`attempt`], but an input that takes too much CPU time is an error. If the elapsed time is too long, the input is
/// judged again and measured by this thread's CPU time, which is independent of other load.
fn timed<I>(judge: &mut impl FnMut(&I) -> bool, input: &I) -> Result<bool, String> {
    let begun = Instant::now();
    let judged = attempt(judge, input);
    if begun.elapsed() < SLOW || judged.is_err() {
        return judged;
    }
    let before = on_processor();
    let judged = attempt(judge, input);
    let took = on_processor().saturating_sub(before);
    if took > SLOW {
        return Err(format!("it takes {:.1} s", took.as_secs_f64()));
    }
    judged
}

/// The CPU time of this thread; zero where the system does not report it.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// The smallest input found whose failure starts with the same message.
fn smallest<I: Case>(judge: &mut impl FnMut(&I) -> bool, input: I, why: &str) -> I {
    let start: String = why.chars().take(16).collect();
    let until = Instant::now() + PATIENCE;
    let mut best = input;
    let (mut of, mut part, mut tries) = (2, 0, 0);
    while tries < TRIES && Instant::now() < until && of <= 1 << 16 {
        tries += 1;
        let Some(smaller) = best.without(part, of) else {
            part += 1;
            if part >= of {
                (of, part) = (of * 2, 0);
            }
            continue;
        };
        match attempt(judge, &smaller) {
            Err(again) if again.starts_with(&start) => best = smaller,
            _ => part += 1,
        }
        if part >= of {
            (of, part) = (of * 2, 0);
        }
    }
    best
}

/// Writes around the test's output capture, which would be lost in an abort.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The seed of the input that is being judged, for the watchdog.
struct Watch(AtomicU64);

impl Default for Watch {
    fn default() -> Self {
        Self(AtomicU64::new(Self::NOTHING))
    }
}

impl Watch {
    const NOTHING: u64 = u64::MAX;
    const END: u64 = u64::MAX - 1;

    fn begins(&self, seed: u64) {
        self.0.store(seed, Ordering::Release);
    }

    /// Aborts the whole process and prints the input if it takes too much time or memory, since a thread cannot be killed.
    fn guard(&self, name: &str, shown: impl Fn(u64) -> String) {
        let (mut last, mut since) = (Self::NOTHING, Instant::now());
        loop {
            let now = self.0.load(Ordering::Acquire);
            if now == Self::END {
                return;
            }
            if now != last {
                (last, since) = (now, Instant::now());
            }
            let memory = resident();
            let is_slow = now != Self::NOTHING && since.elapsed() > LIMIT;
            if is_slow || memory > MEMORY {
                say(&format!(
                    "fuzz {name}: seed {now} takes {} s and {} MiB of memory\n{:.2000}",
                    since.elapsed().as_secs(),
                    memory >> 20,
                    shown(now)
                ));
                std::process::abort();
            }
            thread::park_timeout(TICK);
        }
    }
}

/// The resident memory of the process in bytes; 0 where the system does not report it.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

mod tests {
    use super::{Fuzz, smallest};

    #[test]
    fn a_failing_input_is_told_with_its_seed_and_made_smaller() {
        let fuzz = Fuzz {
            name: "itself",
            runs: 0,
            make: |random: &mut super::Random| random.soup(&["a", "b", "c"], 20),
            judge: |text: &String| {
                assert!(!text.contains("abc"), "it has abc in it");
                true
            },
        };
        let told = std::panic::catch_unwind(|| fuzz.of(1, 5000).runs)
            .err()
            .unwrap();
        let told = super::words(told.as_ref());
        assert!(told.contains("IMGSPEC_FUZZ_SEED="), "{told}");
        assert!(told.contains("made smaller:\nabc\n"), "{told}");
    }

    #[test]
    fn what_fails_otherwise_is_no_smaller_form_of_the_same() {
        let mut judge = |text: &String| {
            assert!(!text.contains("ab"), "first kind of mistake");
            assert!(!text.is_empty(), "second");
            true
        };
        let found = smallest(&mut judge, "xxabxx".to_owned(), "first kind of mistake");
        assert_eq!(found, "ab");
    }
}
