//! What a command costs beyond its own work: `true` by itself, in a sandbox of the embedded builder, and as a step of a build by
//! imgspec and by `BuildKit`, layer included: builds with twenty commands and with none, in turns.
//!
//! Run it with `cargo bench --bench sandbox`, as root or as a user; with an engine in `DOCKER_HOST` that is measured too. Prints
//! medians; asserts nothing.

#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    reason = "the library's sources, compiled once more, with more than this uses"
)]
#![cfg(target_os = "linux")]

#[path = "timing/mod.rs"]
mod timing;

#[path = "../src/backend"]
mod backend {
    pub(crate) mod sandbox;

    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use sandbox::{Bounds, Ids, Network, Run};

    /// Runs `/bin/true` over these layers.
    pub(crate) fn step(place: &Path, layers: &[PathBuf]) -> Duration {
        let (upper, work) = (place.join("upper"), place.join("work"));
        for made in [&upper, &work] {
            std::fs::create_dir(made).expect("a directory");
        }
        let argv = ["/bin/true".to_owned()];
        let user = Ids::default();
        let run = Run {
            lower: layers,
            upper: &upper,
            work: &work,
            argv: &argv,
            env: &[],
            cwd: "/",
            user: &user,
            network: Network::Host,
            mounts: &[],
            hostname: "bench",
            bounds: Bounds::default(),
        };
        let start = Instant::now();
        let exit = sandbox::run(&run, &crate::cancel::Cancel::default(), &mut |_, _| {});
        let took = start.elapsed();
        assert_eq!(exit.expect("it runs").status, sandbox::Status::Code(0));
        for made in [&upper, &work] {
            std::fs::remove_dir_all(made).expect("it can be removed");
        }
        took
    }
}

#[path = "../src/cancel.rs"]
mod cancel;

/// The words of an error; the library's own module has many more uses.
mod disk {
    pub(crate) fn system_words(error: &std::io::Error) -> String {
        error.to_string()
    }
}

#[path = "../src/process"]
mod process {
    mod group;
    mod lines;

    pub(crate) use group::{Group, Started, Stream, start};
}

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use timing::{imgspec, median, time};

const ROUNDS: usize = 100;

/// How many steps there are in one build.
const STEPS: u32 = 20;

/// How often that is built.
const BUILDS: usize = 5;

fn main() {
    // `cargo test --benches` only checks that the benchmark starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let place = tempfile::tempdir().expect("a temporary directory");
    let root = base(place.path());
    let alone = median(
        (0..ROUNDS)
            .map(|_| time(&mut Command::new("/bin/true")))
            .collect(),
    );
    println!("true by itself                 {alone:>10.2?}");
    for count in [1, 50, 300] {
        let mut layers = vec![root.clone()];
        for number in 1..count {
            let layer = place.path().join(format!("{count}-{number}"));
            fs::create_dir(&layer).expect("a directory");
            layers.push(layer);
        }
        let took = (0..ROUNDS).map(|_| backend::step(place.path(), &layers));
        let took = median(took.collect());
        println!(
            "in a sandbox, {count:>3} layers       {took:>10.2?}, {:.2?} more",
            took.saturating_sub(alone)
        );
    }
    steps(place.path());
}

/// Steps of builds on the same root.
fn steps(place: &Path) {
    let has_engine = std::env::var_os("DOCKER_HOST").is_some();
    time(
        Command::new("tar")
            .args(["-C", "base", "-cf", "base.tar", "."])
            .current_dir(place),
    );
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..BUILDS {
        let each = |build: &dyn Fn(u32) -> Duration| build(STEPS).saturating_sub(build(0)) / STEPS;
        ours.push(each(&|steps| embedded(place, steps, round)));
        if has_engine {
            theirs.push(each(&|steps| buildkit(place, steps, round)));
        }
    }
    println!("a command of an image            {:>10.2?}", median(ours));
    if has_engine {
        println!("a step of BuildKit               {:>10.2?}", median(theirs));
    }
}

/// A root with `true`, a shell, and what they are linked with.
fn base(place: &Path) -> PathBuf {
    let root = place.join("base");
    let programs = ["/bin/true", "/bin/sh"];
    let linked = Command::new("ldd").args(programs).output().expect("ldd");
    let linked = String::from_utf8_lossy(&linked.stdout).into_owned();
    let files = linked.split_whitespace().filter(|it| it.starts_with('/'));
    let files = files.map(|file| file.trim_end_matches(':'));
    for file in files.chain(programs) {
        let to = root.join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
        fs::copy(file, to).expect("a copy");
    }
    root
}

/// How long a build takes that has this many commands.
fn embedded(place: &Path, steps: u32, round: usize) -> Duration {
    let mut text =
        "image \"app\" {\n    builder \"oci\"\n    base-image file=\"base.tar\"\n".to_owned();
    for step in 0..steps {
        let _ = writeln!(text, "    commands \"true {round}.{step}\"");
    }
    fs::write(place.join("imgspec.kdl"), text + "}\n").expect("a manifest");
    let mut command = imgspec(place);
    command.env("IMGSPEC_CACHE", place.join("cache"));
    time(command.args(["graph", "build", "--force"]))
}

fn buildkit(place: &Path, steps: u32, round: usize) -> Duration {
    let mut text = "FROM scratch\nCOPY base /\n".to_owned();
    for step in 0..steps {
        let _ = writeln!(text, "RUN true {round}.{step}");
    }
    fs::write(place.join("Dockerfile"), text).expect("a file");
    fs::write(place.join(".dockerignore"), "*\n!base\n").expect("a file");
    let mut command = Command::new("docker");
    time(command.args(["build", "-q", "--no-cache"]).arg(place))
}
