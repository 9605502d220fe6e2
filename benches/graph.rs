//! Compares the whole program to its peer and to a lower bound, in one run: a no-op and a cold build to `docker buildx
//! bake` of the same graph on the same engine, and a no-op to a bare walk of the files. Also times the check of a large
//! manifest.
//!
//! Needs a Docker engine with buildx that has `busybox:1.36` (selected by `DOCKER_HOST`); run with `cargo bench --bench
//! graph`. Prints ratios and asserts nothing. Whole processes are timed alternately, A B A B …, so that a machine whose
//! speed drifts affects both sides alike, and medians are compared. Before each cold build the engine is left idle for
//! a while, because it keeps working for some seconds after a build returns, which would be attributed to the other
//! side.

mod timing;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use timing::{imgspec, median, time};

const IMAGES: usize = 40;
const FILES: usize = 50;
const ROOTS: usize = 8;

/// How long the engine rests before a cold build, in seconds, unless `IMGSPEC_BENCH_REST` is set.
const REST: u64 = 4;

/// Base and command of every image: cheap enough that the tools' overhead is visible.
const BASE: &str = "busybox:1.36";
const COMMAND: &str = "true";

fn main() {
    // `cargo test --benches` only checks that this starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    check_of_a_large_manifest();
    let folder = tempfile::tempdir().expect("a temporary directory");
    write_workspace(folder.path());
    no_op(folder.path());
    cold(folder.path());
    clean_up();
}

fn check_of_a_large_manifest() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut manifest = String::from("template \"t\" { env A=\"1\" }\n");
    for at in 0..1000 {
        let base = if at < 10 {
            "\"scratch\"".to_owned()
        } else {
            format!("image=\"image-{}\"", at - 10)
        };
        let _ = writeln!(
            manifest,
            "image \"image-{at}\" extends=\"t\" {{\n    base-image {base}\n    packages \"a==1.{at}\" \"b\"\n    env NAME=\"image-{at}\"\n    commands \"true\"\n}}"
        );
    }
    std::fs::write(folder.path().join("imgspec.kdl"), &manifest).expect("a manifest");
    let times = (0..7)
        .map(|_| time(imgspec(folder.path()).arg("check")))
        .collect();
    println!(
        "check of 1,000 images ({} KiB of KDL): {:.3} s",
        manifest.len() / 1024,
        median(times).as_secs_f64()
    );
}

/// Writes the same graph for both: image `i` is built on image `i - 8`, copies 50 files and runs one command.
fn write_workspace(root: &Path) {
    let mut manifest = String::new();
    let mut targets = serde_json::Map::new();
    for at in 0..IMAGES {
        let folder = format!("src/i{at}");
        std::fs::create_dir_all(root.join(&folder)).expect("a directory");
        for file in 0..FILES {
            let path = root.join(&folder).join(format!("f{file}.py"));
            std::fs::write(path, source(at, file)).expect("a file");
        }
        let is_root = at < ROOTS;
        let base = if is_root {
            format!("\"{BASE}\"")
        } else {
            format!("image=\"i{}\"", at - ROOTS)
        };
        let _ = writeln!(
            manifest,
            "image \"i{at}\" {{\n    name \"imgspec-bench/i{at}\"\n    base-image {base}\n    copy \"{folder}\" to=\"/app/i{at}\"\n    commands \"{COMMAND}\"\n}}"
        );
        let from = if is_root { BASE } else { "parent" };
        let dockerfile = format!("FROM {from}\nCOPY . /app/i{at}\nRUN {COMMAND}\n");
        let mut target = serde_json::json!({ "context": folder, "dockerfile-inline": dockerfile, "tags": [format!("imgspec-bench/bake-i{at}:latest")] });
        if !is_root {
            target["contexts"] = serde_json::json!({ "parent": format!("target:i{}", at - ROOTS) });
        }
        targets.insert(format!("i{at}"), target);
    }
    let names: Vec<&String> = targets.keys().collect();
    let bake =
        serde_json::json!({ "group": { "default": { "targets": names } }, "target": targets });
    std::fs::write(root.join("imgspec.kdl"), manifest).expect("a manifest");
    std::fs::write(root.join("docker-bake.json"), bake.to_string()).expect("a bake file");
}

/// A source file with 120 functions.
fn source(image: usize, file: usize) -> String {
    let mut text = format!("# {image} {file}\n");
    for at in 0..120 {
        let _ = writeln!(
            text,
            "def step_{at}(rows, limit={at}):\n    return [row for row in rows if row.value > limit and row.kind == \"k{at}\"][:limit]\n"
        );
    }
    text
}

fn no_op(root: &Path) {
    time(&mut build(root));
    time(&mut bake(root));
    let (mut ours, mut theirs, mut walks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..7 {
        ours.push(time(&mut build(root)));
        theirs.push(time(&mut bake(root)));
        let start = Instant::now();
        assert_eq!(walk(&root.join("src")), IMAGES * FILES);
        walks.push(start.elapsed());
    }
    let (ours, theirs, walk) = (median(ours), median(theirs), median(walks));
    println!(
        "nothing to do, {IMAGES} images, {} files: imgspec {:.3} s, bake {:.3} s ({:.1} times as long), a bare walk that reads all files {:.3} s",
        IMAGES * FILES,
        ours.as_secs_f64(),
        theirs.as_secs_f64(),
        theirs.as_secs_f64() / ours.as_secs_f64(),
        walk.as_secs_f64()
    );
}

fn cold(root: &Path) {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    let mut nonce = since.as_nanos();
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let said = std::env::var("IMGSPEC_BENCH_REST").ok();
    let rest = said.map_or(REST, |text| text.parse().expect("seconds"));
    let rest = Duration::from_secs(rest);
    for _ in 0..5 {
        // Fresh contents at every root before each run, so that the other side's cache cannot help.
        refresh(root, &mut nonce);
        std::thread::sleep(rest);
        let our = time(&mut build(root));
        refresh(root, &mut nonce);
        std::thread::sleep(rest);
        let their = time(&mut bake(root));
        ratios.push(our.as_secs_f64() / their.as_secs_f64());
        ours.push(our);
        theirs.push(their);
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "cold, {IMAGES} trivial images: imgspec {:.2} s, bake {:.2} s; ratio of the pairs: median {:.2}, {:.2} to {:.2}",
        median(ours).as_secs_f64(),
        median(theirs).as_secs_f64(),
        ratios[2],
        ratios[0],
        ratios[4]
    );
}

fn refresh(root: &Path, nonce: &mut u128) {
    *nonce += 1;
    for at in 0..ROOTS {
        std::fs::write(
            root.join(format!("src/i{at}/f0.py")),
            format!("# {nonce} {}\n", std::process::id()),
        )
        .expect("a file");
    }
}

fn walk(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a directory");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path)
            } else {
                usize::from(!std::fs::read(&path).expect("a file").is_empty())
            }
        })
        .sum()
}

fn build(root: &Path) -> Command {
    let mut command = imgspec(root);
    command.args(["graph", "build"]);
    command
}

fn bake(root: &Path) -> Command {
    let mut command = Command::new("docker");
    command
        .args([
            "buildx",
            "bake",
            "--progress",
            "quiet",
            "--provenance=false",
        ])
        .current_dir(root);
    command
}

fn clean_up() {
    let list = Command::new("docker")
        .args([
            "image",
            "ls",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            "--filter",
            "reference=imgspec-bench/*",
        ])
        .output()
        .expect("docker answers");
    let names = String::from_utf8_lossy(&list.stdout).into_owned();
    let _ = Command::new("docker")
        .args(["image", "rm", "--force"])
        .args(names.lines())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
