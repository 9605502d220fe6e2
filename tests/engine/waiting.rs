//! Waits for a real engine, and asks it again, for all test binaries that need one.
//!
//! The time limit is generous: on a fresh machine, with all other tests running, the first build has taken more than a
//! minute to reach its step.

#![allow(dead_code, reason = "each program uses some of it")]

use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_mins(4);

/// How often a container that prints nothing is run.
const RUNS: usize = 4;

/// The result of a call of `docker`. Occasionally, on a busy machine, the daemon loses the output of a short container: a
/// `docker run` that succeeded without having printed anything is made again.
pub(crate) fn heard<T>(
    arguments: &[&str],
    call: impl Fn() -> T,
    is_silent: impl Fn(&T) -> bool,
) -> T {
    let mut result = call();
    for _ in 1..RUNS {
        if arguments.first() != Some(&"run") || !is_silent(&result) {
            break;
        }
        result = call();
    }
    result
}

/// Polls until the condition holds.
#[track_caller]
pub(crate) fn wait_for(is_true: impl Fn() -> bool, what: &str) {
    wait_or(is_true, || what.to_owned());
}

/// Waits until the log of an image contains this text.
#[track_caller]
pub(crate) fn wait_for_log(log: &Path, words: &str) {
    let text = || std::fs::read_to_string(log).unwrap_or_default();
    wait_or(
        || text().contains(words),
        || format!("`{words}` in {}:\n{}", log.display(), text()),
    );
}

/// Waits until a process of the engine's has exactly these arguments. Not all builders show a step's output while it runs.
#[track_caller]
pub(crate) fn wait_for_step(step: &str, log: &Path) {
    let text = || std::fs::read_to_string(log).unwrap_or_default();
    wait_or(
        || is_running(step),
        || format!("`{step}` to run; {}:\n{}", log.display(), text()),
    );
}

#[track_caller]
fn wait_or(is_true: impl Fn() -> bool, what: impl Fn() -> String) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < LIMIT, "waited in vain: {}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether some process on this machine, including in the engine's containers, has exactly these arguments.
pub(crate) fn is_running(words: &str) -> bool {
    let wanted = words.replace(' ', "\0");
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.any(|line| String::from_utf8_lossy(&line).trim_end_matches('\0') == wanted)
}
