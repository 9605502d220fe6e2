//! Compares a run with nothing to do with `git status` on the same 50,000 files: both stat each file.
//!
//! Run with `cargo bench --bench status`. Needs git but no engine: builds use the `fake` backend. Prints ratios and asserts
//! nothing. Whole processes are timed in turn, A B A B …, so that drift of the machine's speed affects all alike; medians
//! are compared.

mod large;
mod timing;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use timing::{imgspec, median, time};

const ROUNDS: usize = 21;

fn main() {
    // `cargo test --benches` only checks that this starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let root = folder.path();
    large::write(root, "");
    commit(root);
    time(&mut graph(root, "build", &[]));
    // Neither trusts the times of files that were written immediately before they were read.
    std::thread::sleep(Duration::from_secs(4));
    time(&mut graph(root, "plan", &["--verify"]));
    time(&mut git(root, &["status"]));
    let index = root.join(".imgspec/index").metadata().expect("an index");
    println!(
        "170 images, 50,000 files, an index of {} KiB; nothing to do, medians of {ROUNDS}:",
        index.len() / 1024
    );
    compare(root);
}

fn compare(root: &Path) {
    let mut sides: [(&str, Command, Vec<Duration>); 5] = [
        ("git status", git(root, &["status"]), Vec::new()),
        ("graph plan", graph(root, "plan", &[]), Vec::new()),
        ("graph build", graph(root, "build", &[]), Vec::new()),
        (
            "graph plan --verify",
            graph(root, "plan", &["--verify"]),
            Vec::new(),
        ),
        (
            "graph plan --affected=HEAD",
            graph(root, "plan", &["--affected=HEAD"]),
            Vec::new(),
        ),
    ];
    for _ in 0..ROUNDS {
        for (_, command, times) in &mut sides {
            times.push(time(command));
        }
    }
    let beside = median(sides[0].2.clone()).as_secs_f64();
    for (what, _, times) in sides {
        let took = median(times).as_secs_f64();
        println!(
            "  {what}: {took:.3} s, {:.2} times git status",
            took / beside
        );
    }
}

fn graph(root: &Path, what: &str, more: &[&str]) -> Command {
    let mut command = imgspec(root);
    command
        .args(["graph", what, "--builder", "fake"])
        .args(more);
    command.env("IMGSPEC_FAKE_SECONDS", "0");
    command
}

/// git without the user's configuration.
fn git(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(root);
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command
}

fn commit(root: &Path) {
    time(&mut git(root, &["init", "-q"]));
    time(&mut git(root, &["add", "-A"]));
    let who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
    time(&mut git(
        root,
        &[&who[..], &["commit", "-q", "-m", "all"]].concat(),
    ));
}
