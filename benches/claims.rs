//! What claims cost where nobody else builds, and what they save where others do: 170 images on nine levels, one small file each,
//! assembled by the builder `oci` and pushed to a registry on the loopback interface.
//!
//! `IMGSPEC_BENCH_REGISTRY=127.0.0.1:PORT cargo bench --bench claims`. Whole processes are timed in turn, A B A B …, each on an
//! empty disk and with images that nobody has built before. Prints medians and ratios; asserts nothing.

// Shared with benchmarks that need its files too.
#[allow(dead_code, reason = "only its shape is needed here")]
mod large;
mod timing;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use timing::{imgspec, median, time};

const ROUNDS: usize = 5;

/// How many runners build at the same time.
const RUNNERS: usize = 4;

fn main() {
    // `cargo test --benches` only checks that this starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let Ok(registry) = std::env::var("IMGSPEC_BENCH_REGISTRY") else {
        println!("IMGSPEC_BENCH_REGISTRY names no registry: nothing is measured");
        return;
    };
    let mut bench = Bench { registry, round: 0 };
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(bench.alone(&[]));
        with.push(bench.alone(&["--claim"]));
    }
    let (without, with) = (seconds(without), seconds(with));
    println!(
        "one runner, 170 images on 9 levels: {without:.2} s without claims, {with:.2} s with claims ({:.2} times)",
        with / without
    );
    for more in [&[][..], &["--claim"]] {
        let runs: Vec<(Duration, usize)> = (0..ROUNDS).map(|_| bench.together(more)).collect();
        let builds: Vec<usize> = runs.iter().map(|(_, builds)| *builds).collect();
        let took = seconds(runs.into_iter().map(|(took, _)| took).collect());
        let how = if more.is_empty() { "without" } else { "with" };
        println!(
            "{RUNNERS} runners on this machine, {how} claims: {took:.2} s, builds in all: {builds:?}"
        );
    }
}

fn seconds(times: Vec<Duration>) -> f64 {
    median(times).as_secs_f64()
}

struct Bench {
    registry: String,
    /// Each round has contents of its own.
    round: usize,
}

impl Bench {
    fn alone(&mut self, more: &[&str]) -> Duration {
        self.round += 1;
        let folder = self.workspace();
        time(&mut build(folder.path(), more))
    }

    /// How long it takes until all are done, and how many images they built together.
    fn together(&mut self, more: &[&str]) -> (Duration, usize) {
        self.round += 1;
        let folders: Vec<_> = (0..RUNNERS).map(|_| self.workspace()).collect();
        let start = Instant::now();
        let runs: Vec<Child> = folders
            .iter()
            .map(|folder| {
                let mut command = build(folder.path(), more);
                command.stdin(Stdio::null()).stdout(Stdio::null());
                command.stderr(Stdio::piped()).spawn().expect("it starts")
            })
            .collect();
        // All are read at once: one whose output nobody reads stops, and the others wait for what it has claimed.
        let ended = std::thread::scope(|scope| {
            let each = runs.into_iter();
            let each = each.map(|run| scope.spawn(|| run.wait_with_output().expect("it ends")));
            let each: Vec<_> = each.collect();
            each.into_iter()
                .map(|run| run.join().expect("it ends"))
                .collect::<Vec<_>>()
        });
        let mut builds = 0;
        for output in ended {
            assert!(output.status.success(), "{output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            builds += said.matches("\"event\":\"image-built\"").count();
        }
        (start.elapsed(), builds)
    }

    fn workspace(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let registry = &self.registry;
        let mut manifest =
            format!("defaults {{ builder \"oci\"; registry \"{registry}/claims-bench\"; }}\n");
        for (at, needs) in large::graph().iter().enumerate() {
            let base = needs.first().map_or("\"scratch\"".to_owned(), |base| {
                format!("image=\"i{base}\"")
            });
            let _ = writeln!(
                manifest,
                "image \"i{at}\" {{ base-image {base}; copy \"f{at}\" to=\"/f{at}\"; }}"
            );
            let text = format!("{at} of {} in round {}\n", std::process::id(), self.round);
            write(&folder.path().join(format!("f{at}")), &text);
        }
        write(&folder.path().join("imgspec.kdl"), &manifest);
        folder
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("a file");
}

fn build(root: &Path, more: &[&str]) -> Command {
    let mut command = imgspec(root);
    command
        .args(["graph", "build", "--push", "--progress", "json"])
        .args(more)
        .env("IMGSPEC_CACHE", root.join("cache"));
    command
}
