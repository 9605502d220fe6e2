//! Builds the large graph (170 images, 50,000 files) cold on a real engine, and compares that with plain `docker build` of
//! the same Dockerfiles, eight at once and one after another, in the order of their numbers and in the order in which
//! imgspec starts them. Then compares a no-op run with the daemon's own answers.
//!
//! Run it with `cargo bench --bench cold`: about fifteen minutes, with a Docker engine that has buildx (selected by
//! `DOCKER_HOST`). Prints ratios; asserts nothing. All files have new contents for each build, so that no build profits from
//! the cache of another. The time per image is printed by fifths of the run, next to the amount of work in each, and
//! separately for images of one shape: this distinguishes growth because later images have more files from growth with the
//! number of images.

mod large;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

const AT_ONCE: usize = 8;

/// Pause before each build, because the engine keeps working for some seconds after a build has returned.
const REST: Duration = Duration::from_secs(4);

/// Name prefix of the images built by plain `docker build`.
const PLAIN: &str = "imgspec-bench/plain-i";

/// When the build of each image started and ended, by image.
type Times = BTreeMap<usize, (Duration, Duration)>;

fn main() {
    // `cargo test --benches` only checks that the benchmark starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let root = folder.path();
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    let fresh = |round: &str| {
        large::write(root, &format!("{} {round}", since.as_nanos()));
        std::thread::sleep(REST);
    };
    let numbered: Vec<usize> = (0..large::graph().len()).collect();
    fresh("loop");
    let alone = print_times(
        "docker build, one after another",
        &plain(root, 1, &numbered),
    );
    fresh("eight");
    let eight = plain(root, AT_ONCE, &numbered);
    let eight = print_times("docker build, eight at once", &eight);
    fresh("imgspec");
    let times = imgspec(root, AT_ONCE);
    let ours = print_times("imgspec, eight at once", &times);
    fresh("our order");
    let same_order = plain(root, AT_ONCE, &order_of(&times));
    print_times(
        "docker build, eight at once, in imgspec's order",
        &same_order,
    );
    fresh("imgspec alone");
    print_times("imgspec, one after another", &imgspec(root, 1));
    println!(
        "cold: imgspec takes {:.2} of the loop's time, {:.2} of that of eight at once",
        ours.as_secs_f64() / alone.as_secs_f64(),
        ours.as_secs_f64() / eight.as_secs_f64()
    );
    no_op(root);
    fresh("bake");
    bake(root);
    clean_up();
}

/// Builds with imgspec, and takes the times of each image from its events.
fn imgspec(root: &Path, at_once: usize) -> Times {
    let start = Instant::now();
    let mut child = program(root)
        .args(["graph", "build", "--progress", "json", "--jobs"])
        .arg(at_once.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut times = Times::new();
    for line in BufReader::new(child.stderr.take().expect("a pipe")).lines() {
        let line = line.expect("text");
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let image = event["image"].as_str().and_then(|id| id[1..].parse().ok());
        match (event["event"].as_str(), image) {
            (Some("image-started"), Some(image)) => {
                times.insert(image, (start.elapsed(), Duration::ZERO));
            }
            (Some("image-built"), Some(image)) => {
                times.entry(image).or_default().1 = start.elapsed();
            }
            (Some("image-failed"), _) => panic!("{line}"),
            _ => {}
        }
    }
    assert!(child.wait().expect("it ends").success());
    times
}

/// The images in the order in which they were started.
fn order_of(times: &Times) -> Vec<usize> {
    let mut order: Vec<usize> = times.keys().copied().collect();
    order.sort_by_key(|at| times[at].0);
    order
}

/// Builds with `docker build`, with a limit on parallel builds: always the first image in `order` whose needs exist.
fn plain(root: &Path, at_once: usize, order: &[usize]) -> Times {
    let graph = large::graph();
    for (at, needs) in graph.iter().enumerate() {
        std::fs::write(root.join(format!("{at}.Dockerfile")), dockerfile(at, needs))
            .expect("a Dockerfile");
    }
    let start = Instant::now();
    // Images not yet started, and images already built.
    let state = Mutex::new((order.to_vec(), Times::new()));
    let changed = Condvar::new();
    let work = || {
        loop {
            let mut held = state.lock().expect("no panic");
            let at = loop {
                let (left, done) = &*held;
                if left.is_empty() {
                    return;
                }
                let is_ready = |at: &usize| graph[*at].iter().all(|need| done.contains_key(need));
                match left.iter().position(is_ready) {
                    Some(place) => break held.0.remove(place),
                    None => held = changed.wait(held).expect("no panic"),
                }
            };
            drop(held);
            let begun = start.elapsed();
            run(Command::new("docker")
                .args(["build", "--quiet", "--provenance=false", "--file"])
                .arg(root.join(format!("{at}.Dockerfile")))
                .args(["--tag", &format!("{PLAIN}{at}")])
                .arg(root.join(format!("src/i{at}"))));
            let mut held = state.lock().expect("no panic");
            held.1.insert(at, (begun, start.elapsed()));
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    state.into_inner().expect("no panic").1
}

fn dockerfile(at: usize, needs: &[usize]) -> String {
    let base = needs
        .first()
        .map_or("scratch".to_owned(), |base| format!("{PLAIN}{base}"));
    let mut text = format!("FROM {base}\nCOPY . /src/i{at}\n");
    for other in needs.iter().skip(1) {
        let _ = writeln!(text, "COPY --from={PLAIN}{other} /src /other");
    }
    text
}

/// Prints the total time and the time per image by fifths of the run; returns the total time.
fn print_times(what: &str, times: &Times) -> Duration {
    let graph = large::graph();
    assert_eq!(times.len(), graph.len());
    let whole = times
        .values()
        .map(|(_, end)| *end)
        .max()
        .unwrap_or_default();
    println!("{what}: {:.1} s", whole.as_secs_f64());
    let seconds = |at: usize| times[&at].1.saturating_sub(times[&at].0).as_secs_f64();
    let mut order: Vec<(usize, f64)> = order_of(times)
        .into_iter()
        .map(|at| (at, seconds(at)))
        .collect();
    let files = files_written(&graph);
    for (part, images) in order.chunks(graph.len() / 5).enumerate() {
        let files = images.iter().map(|(at, _)| files[*at]).sum::<usize>() / images.len();
        println!(
            "  fifth {}: {:.2} s per image, with {files} files each",
            part + 1,
            mean(images)
        );
    }
    // Images of one shape: on a root, copying from no other image.
    let alike = |at: usize| matches!(graph[at].as_slice(), [base] if graph[*base].is_empty());
    order.retain(|(at, _)| alike(*at));
    let (first, last) = order.split_at(order.len() / 2);
    println!(
        "  {} images of one shape: {:.2} s for those started first, {:.2} s for those started last",
        order.len(),
        mean(first),
        mean(last)
    );
    whole
}

/// The number of files in the layers of each image.
fn files_written(graph: &[Vec<usize>]) -> Vec<usize> {
    // The number of files below `/src` in each image.
    let mut below: Vec<usize> = Vec::new();
    let mut written = Vec::new();
    for (at, needs) in graph.iter().enumerate() {
        let (own, base) = (large::own_files(at), needs.first());
        let copied: usize = needs.iter().skip(1).map(|other| below[*other]).sum();
        written.push(own + copied);
        below.push(own + base.map_or(0, |base| below[*base]));
    }
    written
}

#[expect(clippy::cast_precision_loss, reason = "a handful of images")]
fn mean(images: &[(usize, f64)]) -> f64 {
    images.iter().map(|(_, seconds)| seconds).sum::<f64>() / images.len() as f64
}

/// Compares a no-op run with its parts: reading the files, and querying the daemon sequentially.
fn no_op(root: &Path) {
    let names = run(program(root).arg("tag"));
    let names: Vec<&str> = names
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    let mut times = [(); 3].map(|()| Vec::new());
    for _ in 0..7 {
        let mut inspect = Command::new("docker");
        inspect.args(["image", "inspect"]).args(&names);
        let (mut build, mut tag) = (program(root), program(root));
        build.args(["graph", "build"]);
        tag.arg("tag");
        for (times, mut command) in times.iter_mut().zip([build, tag, inspect]) {
            let start = Instant::now();
            run(&mut command);
            times.push(start.elapsed());
        }
    }
    let [whole, files, answers] = times.map(|mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    println!(
        "nothing to do: {whole:.2} s; keys alone {files:.2} s; `docker image inspect` of all images {answers:.2} s"
    );
}

/// Prints where `docker buildx bake` of the same graph ends.
fn bake(root: &Path) {
    let mut targets = serde_json::Map::new();
    for (at, needs) in large::graph().iter().enumerate() {
        let named = needs.iter().map(|need| {
            let (name, target) = (format!("{PLAIN}{need}"), format!("target:i{need}"));
            (name, serde_json::Value::from(target))
        });
        let named: serde_json::Map<String, serde_json::Value> = named.collect();
        let target = serde_json::json!({
            "context": format!("src/i{at}"), "dockerfile-inline": dockerfile(at, needs),
            "contexts": named, "tags": [format!("imgspec-bench/bake-i{at}:latest")],
        });
        targets.insert(format!("i{at}"), target);
    }
    let names: Vec<&String> = targets.keys().collect();
    let file =
        serde_json::json!({ "group": { "default": { "targets": names } }, "target": targets });
    std::fs::write(root.join("docker-bake.json"), file.to_string()).expect("a bake file");
    let start = Instant::now();
    let output = Command::new("docker")
        .args([
            "buildx",
            "bake",
            "--progress",
            "quiet",
            "--provenance=false",
        ])
        .current_dir(root)
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let end = if output.status.success() {
        "all built"
    } else {
        said.trim()
            .lines()
            .last()
            .unwrap_or("it failed without a word")
    };
    println!("bake: {:.1} s: {end}", start.elapsed().as_secs_f64());
}

fn program(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgspec"));
    command.current_dir(root);
    command
}

/// Runs a command that must succeed; returns its output.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn clean_up() {
    let list = ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"];
    let filter = ["--filter", "reference=imgspec-bench/*"];
    let names = run(Command::new("docker").args(list).args(filter));
    run(Command::new("docker")
        .args(["image", "rm", "--force"])
        .args(names.lines()));
}
