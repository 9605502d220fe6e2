//! What a workspace of 10,000 images costs when there is nothing to do: `check` and `graph plan`, time and memory.
//!
//! `cargo bench --bench many`. Needs nothing but files: the `fake` backend builds all images once. The same images stand in one
//! file of 4 MiB and in 20 included files. Whole processes are timed in turn, A B A B …; prints medians beside the aims; asserts
//! nothing.

mod memory;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const IMAGES: usize = 10_000;
const FILES: usize = 20;

/// Directories with the sources of a service, each copied by 50 images.
const SERVICES: usize = 200;

const ROUNDS: usize = 11;

/// Resident memory, in MiB.
const MEMORY: u64 = 100;

fn main() {
    // `cargo test --benches` only wants to know that it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (one, many) = (folder.path().join("one"), folder.path().join("many"));
    sources(&one);
    sources(&many);
    write(&one.join("imgspec.kdl"), &(head() + &images(0..IMAGES, "")));
    let include = "workspace {\n    include \"parts/*.kdl\"\n}\n";
    write(&many.join("imgspec.kdl"), &(include.to_owned() + &head()));
    for (at, part) in (0..IMAGES).step_by(IMAGES / FILES).enumerate() {
        let text = images(part..part + IMAGES / FILES, "../");
        write(&many.join(format!("parts/{at:02}.kdl")), &text);
    }
    let workspaces = [("one file", &*one), ("20 files", &*many)];
    let (check, plan) = (&["check"][..], &["graph", "plan"][..]);
    measure("check", check, &workspaces, 0.3);
    measure("plan, nothing is built", plan, &workspaces, 0.5);
    for (_, root) in workspaces {
        time(&mut imgspec(root, &["graph", "build", "--quiet"]));
    }
    measure("plan, nothing to do", plan, &workspaces, 0.5);
}

fn measure(what: &str, words: &[&str], workspaces: &[(&str, &Path)], limit: f64) {
    let mut times = vec![Vec::new(); workspaces.len()];
    for _ in 0..ROUNDS {
        for (times, (_, root)) in times.iter_mut().zip(workspaces) {
            times.push(time(&mut imgspec(root, words)));
        }
    }
    for (times, (name, root)) in times.iter_mut().zip(workspaces) {
        times.sort();
        let median = times[ROUNDS / 2].as_secs_f64();
        let memory = memory::peak(&mut imgspec(root, words));
        println!(
            "{what}, {IMAGES} images in {name}: {median:.3} s ({:.2} of the aim of {limit} s), {memory} MiB ({:.2} of {MEMORY} MiB)",
            median / limit,
            f64::from(u32::try_from(memory).unwrap_or(u32::MAX)) / 100.0,
        );
    }
}

/// What the images copy, and the files that they name.
fn sources(root: &Path) {
    for service in 0..SERVICES {
        let folder = root.join(format!("services/s{service}"));
        for file in 0..5 {
            let text = format!("# {service} {file}\n").repeat(20);
            write(&folder.join(format!("src/m{file}.py")), &text);
        }
        let requirements = "numpy==2.1.0\npandas==2.2.2\n";
        write(&folder.join("requirements.txt"), requirements);
    }
    for file in 0..40 {
        let text = format!("# {file}\n").repeat(30);
        write(&root.join(format!("common/c{file}.py")), &text);
    }
}

/// What all images share.
fn head() -> String {
    let digest = "0".repeat(64);
    format!(
        r#"variable "registry" default="ghcr.io/acme"
variable "debian" default="debian:bookworm-slim@sha256:{digest}"
defaults {{
    registry "{{{{ registry }}}}"
    platform "linux/amd64"
    labels team="ml"
}}
template "python-service" {{
    python-version "3.12"
    env PYTHONUNBUFFERED="1" PIP_NO_CACHE_DIR="1"
    apt-packages "git" "libgomp1"
}}
template "job" extends="python-service" {{
    user "1000"
    workdir "/app"
}}
"#
    )
}

/// Images that stand on each other eight deep; `up` leads from their file to the root.
fn images(which: std::ops::Range<usize>, up: &str) -> String {
    let mut text = String::new();
    for at in which {
        let service = at % SERVICES;
        let template = ["python-service", "job"][at % 2];
        let base = if at < 20 {
            "\"{{ debian }}\"".to_owned()
        } else {
            format!("image=\"img-{}\"", (at - 20) / 3)
        };
        let _ = writeln!(
            text,
            r#"
// The service {service}.
image "img-{at}" extends="{template}" {{
    base-image {base}
    packages "torch==2.5.{torch}" "pandas==2.2.{pandas}" "lib-{at}"
    requirements "{up}services/s{service}/requirements.txt"
    copy "{up}services/s{service}/src" to="/app/src"
    copy "{up}common" to="/app/common"
    env SERVICE="img-{at}" LEVEL="{level}"
    commands "python -m compileall /app/src" "echo {at} > /etc/build-number"
    entrypoint "python" "-m" "service_{at}"
}}"#,
            torch = at % 10,
            pandas = at % 7,
            level = at % 100,
        );
    }
    text
}

fn write(path: &Path, text: &str) {
    let folder = path.parent().expect("a file has a directory");
    std::fs::create_dir_all(folder).expect("a directory");
    std::fs::write(path, text).expect("a file");
}

fn imgspec(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_imgspec"));
    command.current_dir(root).args(words);
    if words[0] == "graph" {
        command.args(["--builder", "fake"]);
    }
    command
        .env("IMGSPEC_FAKE_SECONDS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn time(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.status().expect("it starts");
    let elapsed = start.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    elapsed
}
