//! Builds one graph cold over a pool of two `BuildKit`s and over one of them: what a pool costs. On one machine, both are the same
//! processors, so a pool cannot be faster here.
//!
//! `cargo bench --bench pool`, after `tests/engine/up` with a `second` daemon and a registry, and `. DIR/env`. Rounds in turn,
//! A B A B …; prints medians and their ratio; asserts nothing.

#[path = "../tests/engine/bridge.rs"]
mod bridge;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bridge::Bridge;

/// Images on one base, in chains of this length.
const CHAINS: usize = 8;
const LENGTH: usize = 4;

const ROUNDS: usize = 5;

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let said = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let first = Bridge::new(&said("IMGSPEC_TEST_DOCKER_CONTAINERD"));
    let second = Bridge::new(&said("IMGSPEC_TEST_DOCKER_SECOND"));
    let registry = said("IMGSPEC_TEST_REGISTRY");
    let both = [first.address(), second.address()];
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (at, nodes) in [&both[..1], &both[..]].into_iter().enumerate() {
            write(folder.path(), &registry, &format!("{round}-{at}"));
            let took = time(&mut imgspec(folder.path(), nodes));
            // The first round fetches the base.
            if round > 0 {
                times[at].push(took);
            }
        }
    }
    let [one, two] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    println!(
        "{} images, cold, medians of {ROUNDS}: {one:.2} s by one BuildKit, {two:.2} s by a pool of two ({:.2} of it)",
        1 + CHAINS * LENGTH,
        two / one
    );
}

/// A base, and chains of images that each add a file and run a command.
fn write(root: &Path, registry: &str, nonce: &str) {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    let mut text = format!(
        "defaults {{ registry \"{registry}/bench-pool\"; labels nonce=\"{nonce} {since}\" }}\n\
         image \"base\" {{ base-image \"busybox:1.36\"; commands \"echo {since} {nonce} > /base\" }}\n"
    );
    for chain in 0..CHAINS {
        for at in 0..LENGTH {
            let base = match at {
                0 => "base".to_owned(),
                at => format!("i{chain}-{}", at - 1),
            };
            let _ = writeln!(
                text,
                "image \"i{chain}-{at}\" {{ base-image image=\"{base}\"; copy \"f\" to=\"/f{at}\"; commands \"echo {chain} {at} >> /log\" }}"
            );
        }
    }
    std::fs::write(root.join("imgspec.kdl"), text).expect("a file");
    std::fs::write(root.join("f"), nonce).expect("a file");
    let _ = std::fs::remove_dir_all(root.join(".imgspec"));
}

fn imgspec(root: &Path, nodes: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgspec"));
    command
        .current_dir(root)
        .args(["graph", "build", "--push", "--quiet"]);
    for node in nodes {
        command.args(["--buildkit", node]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn time(command: &mut Command) -> Duration {
    let begun = Instant::now();
    assert!(command.status().expect("it starts").success());
    begun.elapsed()
}
