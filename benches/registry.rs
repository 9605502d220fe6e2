//! What a fresh build server asks a registry: 170 images that are all there, by `graph build --push` with an empty state directory and an
//! empty cache, beside `docker buildx imagetools inspect` of the same images one after another.
//!
//! Needs a registry in `IMGSPEC_BENCH_REGISTRY` (`host:port`, without TLS), the `docker` command with buildx for the comparison, and, for
//! images of Docker's builder, an engine that has `busybox:1.36` (selected by `DOCKER_HOST`); run with `cargo bench --bench registry`.
//! Whole processes are timed in turn, A B A B …; prints medians beside the aim; asserts nothing.

mod timing;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use timing::{imgspec, median, time};

const IMAGES: usize = 170;

const ROUNDS: usize = 11;

/// The longest time that a run with nothing to do may take, in seconds.
const AIM: f64 = 0.5;

fn main() {
    // `cargo test --benches` only checks that this starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let Ok(registry) = std::env::var("IMGSPEC_BENCH_REGISTRY") else {
        println!("no registry in IMGSPEC_BENCH_REGISTRY");
        return;
    };
    let mut builders = vec![("oci", "scratch")];
    if std::env::var_os("DOCKER_HOST").is_some() {
        builders.push(("docker", "busybox:1.36"));
    }
    for (builder, base) in builders {
        let folder = tempfile::tempdir().expect("a temporary directory");
        measure(folder.path(), builder, base, &registry);
    }
}

fn measure(root: &Path, builder: &str, base: &str, registry: &str) {
    let run = std::process::id();
    let registry = format!("{registry}/imgspec-bench/{builder}-{run}");
    std::fs::write(
        root.join("imgspec.kdl"),
        manifest(builder, base, &registry, run),
    )
    .expect("a manifest");
    for at in 0..IMAGES {
        std::fs::write(root.join(format!("f{at}")), format!("{run} {at}\n")).expect("a file");
    }
    time(&mut build(root, "first"));
    let references = references(root);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        std::fs::remove_dir_all(root.join(".imgspec")).expect("the state directory");
        ours.push(time(&mut build(root, &format!("cache-{round}"))));
        // Takes long, and varies little.
        if round % 5 == 0 {
            let inspect = |reference: &String| {
                let mut docker = Command::new("docker");
                time(docker.args(["buildx", "imagetools", "inspect", reference]))
            };
            theirs.push(references.iter().map(inspect).sum::<Duration>());
        }
    }
    let (ours, theirs) = (median(ours).as_secs_f64(), median(theirs).as_secs_f64());
    println!(
        "{IMAGES} images of the builder {builder} in the registry, nothing here: {ours:.3} s ({:.2} of the aim of {AIM} s); \
         imagetools inspect, one after another: {theirs:.2} s ({:.0} times as long)",
        ours / AIM,
        theirs / ours,
    );
}

fn manifest(builder: &str, base: &str, registry: &str, run: u32) -> String {
    let mut manifest =
        format!("defaults {{\n    builder \"{builder}\"\n    registry \"{registry}\"\n}}\n");
    for at in 0..IMAGES {
        let _ = writeln!(
            manifest,
            "image \"i{at}\" {{\n    base-image \"{base}\"\n    labels run=\"{run}\"\n    copy \"f{at}\" to=\"/f\"\n}}"
        );
    }
    manifest
}

/// A build of a machine with this cache.
fn build(root: &Path, cache: &str) -> Command {
    let mut command = imgspec(root);
    command.args(["graph", "build", "--push", "--quiet"]);
    command.env("IMGSPEC_CACHE", root.join(cache));
    command
}

fn references(root: &Path) -> Vec<String> {
    let output = imgspec(root).arg("tag").output().expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    lines.map(str::to_owned).collect()
}
