//! Compares our parser of manifests to the `kdl` crate: the same 1,000 images, and input that the crate cannot handle.
//!
//! Run with `cargo bench --bench kdl`. The crate aborts the process, so that part runs in a child process.

#![allow(clippy::unwrap_used, reason = "a bench reports errors by failing")]

use std::process::Command;
use std::time::{Duration, Instant};

use imgspec::check;
use imgspec::manifest::{self, Overrides};

const CHILD: &str = "IMGSPEC_BENCH_KDL_CHILD";

/// As in `benches/graph.rs`: 136 bytes per image.
fn images(count: usize) -> String {
    let image = |at: usize| {
        format!(
            "image \"image-{at}\" {{\n    base-image \"debian:bookworm-slim\"\n    packages \"numpy==2.0.{at}\" \"torch\"\n    env A=\"{at}\" B=\"two\"\n    commands \"true\"\n}}\n"
        )
    };
    (0..count).map(image).collect()
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..15)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn line(what: &str, time: Duration) {
    println!("{what:60} {:8.1} ms", time.as_secs_f64() * 1000.0);
}

fn main() {
    if std::env::var_os(CHILD).is_some() {
        let _ = kdl::KdlDocument::parse_v2(&"= ".repeat(100_000));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("imgspec.kdl");
    let text = images(1_000);
    std::fs::write(&path, &text).unwrap();
    println!("1,000 images, {} bytes, medians of 15", text.len());
    line(
        "the kdl crate parses",
        median(|| drop(kdl::KdlDocument::parse_v2(&text).unwrap())),
    );
    let none = Overrides::default();
    line(
        "imgspec parses and decodes",
        median(|| {
            let loaded = manifest::load(&path, &none, &|_| None);
            assert_eq!(loaded.workspace.images.len(), 1_000);
        }),
    );
    line(
        "imgspec parses and checks everything",
        median(|| assert!(!check::check(&path, &none, &|_| None).has_errors())),
    );
    for depth in [4, 8, 12, 16] {
        let nested = format!("{}{}", "a /-{ ".repeat(depth), " }".repeat(depth));
        let start = Instant::now();
        let _ = kdl::KdlDocument::parse_v2(&nested);
        line(
            &format!("the kdl crate parses {depth} nested `a /-{{`"),
            start.elapsed(),
        );
    }
    let hostile = "= ".repeat(100_000);
    std::fs::write(&path, &hostile).unwrap();
    line(
        "imgspec rejects 200 kB of `= `",
        median(|| assert!(check::check(&path, &none, &|_| None).has_errors())),
    );
    let me = std::env::current_exe().unwrap();
    let status = Command::new(me)
        .env(CHILD, "1")
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    println!(
        "{:60} {status}",
        "the kdl crate parses 200 kB of `= ` (in a child)"
    );
    let beside = "a { b } // lost\nc\n";
    let printed = kdl::KdlDocument::parse_v2(beside).unwrap().to_string();
    println!("the kdl crate prints {beside:?} as {printed:?}");
}
