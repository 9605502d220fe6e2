//! End-to-end tests on a real engine: both image stores, a loopback registry, the example monorepo.
//!
//! `tests/run` starts the engine and sets its address; without it these tests fail instead of being skipped silently.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

#[path = "docker/attestations.rs"]
mod attestations;
#[path = "docker/caches.rs"]
mod caches;
#[path = "docker/claims.rs"]
mod claims;
#[path = "docker/debian.rs"]
mod debian;
#[path = "it/dice.rs"]
#[allow(dead_code, reason = "the dice serve several test programs")]
mod dice;
#[path = "docker/embedded.rs"]
mod embedded;
#[path = "engine/mod.rs"]
mod engine;
#[path = "docker/export.rs"]
mod export;
#[path = "docker/instance.rs"]
mod instance;
#[path = "docker/lock.rs"]
mod lock;
#[path = "docker/memory.rs"]
mod memory;
#[path = "engine/monorepo.rs"]
mod monorepo;
#[path = "docker/names.rs"]
mod names;
#[path = "docker/packages.rs"]
mod packages;
#[path = "it/sandbox.rs"]
#[allow(dead_code, reason = "the sandbox serves two test programs")]
mod sandbox;
#[path = "docker/services.rs"]
mod services;
#[path = "docker/sets.rs"]
mod sets;
#[path = "docker/sizes.rs"]
mod sizes;
#[path = "engine/waiting.rs"]
mod waiting;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use engine::{by_turns, engines};
use monorepo::anew;
use sandbox::{Ran, Sandbox};
use waiting::{heard, is_running, wait_for};

/// A sandbox that uses this engine.
fn on(engine: &str) -> Sandbox {
    Sandbox::new().env("DOCKER_HOST", engine)
}

fn docker(engine: &str, arguments: &[&str]) -> Ran {
    let call = || {
        let mut docker = Command::new("docker");
        Ran::of(docker.args(arguments).env("DOCKER_HOST", engine))
    };
    heard(arguments, call, Ran::is_silent)
}

/// A word that no other test and no earlier run uses, so that every key is new.
fn nonce() -> String {
    let time = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock")
        .as_nanos();
    format!("{:x}-{:x}", std::process::id(), time)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}

fn built(ran: &Ran) -> Vec<String> {
    named(ran, "image-built")
}

/// The images of all events of a kind, sorted.
fn named(ran: &Ran, kind: &str) -> Vec<String> {
    let events = ran
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut images: Vec<String> = events
        .filter(|event| event["event"] == kind)
        .map(|event| event["image"].as_str().expect("an id").to_owned())
        .collect();
    images.sort();
    images
}

/// References by image, from `tag`.
fn references(sandbox: &Sandbox, more: &[&str]) -> std::collections::BTreeMap<String, String> {
    let tags = sandbox
        .run(&[&["tag", "--format", "json"], more].concat())
        .success()
        .json();
    let pair = |tag: &serde_json::Value| {
        (
            tag["image"].as_str().unwrap().to_owned(),
            tag["reference"].as_str().unwrap().to_owned(),
        )
    };
    tags.as_array().unwrap().iter().map(pair).collect()
}

fn remove_images(engine: &str, sandbox: &Sandbox, more: &[&str]) {
    let references = references(sandbox, more);
    let names: Vec<&str> = references.values().map(String::as_str).collect();
    let _ = docker(
        engine,
        &[&["image", "rm", "--force"], names.as_slice()].concat(),
    );
}

/// Builds with JSON events.
fn build(sandbox: &Sandbox, more: &[&str]) -> Ran {
    sandbox.run(&[&["graph", "build", "--progress", "json"], more].concat())
}

fn touch_all(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name == ".imgspec") {
            continue;
        }
        if path.is_dir() {
            touch_all(&path);
        } else {
            let file = std::fs::File::options()
                .append(true)
                .open(&path)
                .expect("a file");
            file.set_modified(std::time::SystemTime::now())
                .expect("a time");
        }
    }
}

/// Plan lines `image action reasons`, without the builder.
fn plan(sandbox: &Sandbox, more: &[&str]) -> Vec<String> {
    let ran = sandbox
        .run(&[&["graph", "plan", "--format", "json"], more].concat())
        .success()
        .json();
    let images = ran["images"].as_array().unwrap().iter();
    images
        .map(|image| {
            format!(
                "{} {} {}",
                image["image"].as_str().unwrap(),
                image["action"].as_str().unwrap(),
                image["reasons"]
            )
        })
        .collect()
}

#[test]
fn the_example_monorepo_builds_cold_then_nothing_then_just_what_an_edit_touches() {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY");
    for (store, engine) in engines() {
        let sandbox = on(&engine);
        copy_folder(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monorepo"),
            &sandbox.root(),
        );
        let manifest = sandbox.read("imgspec.kdl");
        sandbox.write("imgspec.kdl", &anew(&manifest, &nonce()));
        let registry = registry
            .as_deref()
            .map_or("localhost:5000/monorepo".to_owned(), |registry| {
                format!("{registry}/monorepo")
            });
        let var = format!("registry={registry}");
        let with = |more: &[&'static str]| -> Vec<String> {
            ["--var", &var]
                .iter()
                .map(|word| (*word).to_owned())
                .chain(more.iter().map(|word| (*word).to_owned()))
                .collect()
        };
        let run = |more: &[&'static str]| {
            let words = with(more);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            build(&sandbox, &words)
        };
        let planned = |more: &[&'static str]| {
            let words = with(more);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            plan(&sandbox, &words)
        };

        // Cold, then warm, then touched.
        let cold = run(&[]).success();
        let images = built(&cold).len();
        assert!(images >= 12, "{store}: {images} images");
        assert!(
            built(&run(&[]).success()).is_empty(),
            "{store}: the second run built something"
        );
        touch_all(&sandbox.root());
        assert!(
            built(&run(&[]).success()).is_empty(),
            "{store}: a touch built something"
        );

        // An edit: the build does exactly what the plan shows.
        let file = "models/trainer/__main__.py";
        sandbox.write(file, &format!("{}\n# edited\n", sandbox.read(file)));
        let said = planned(&[]);
        let mut expected: Vec<String> = said
            .iter()
            .filter(|line| line.contains(" build "))
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect();
        expected.sort();
        assert!(
            said.iter()
                .any(|line| line.starts_with("trainer build") && line.contains(file)),
            "{store}: {said:?}"
        );
        assert!(
            expected.contains(&"online".to_owned())
                && !expected.contains(&"dataset".to_owned())
                && expected.len() < images,
            "{expected:?}"
        );
        assert_eq!(built(&run(&[]).success()), expected, "{store}");

        // Removed by someone else: built again.
        let references = references(&sandbox, &["--var", &var]);
        docker(
            &engine,
            &["image", "rm", "--force", &references["notebook"]],
        )
        .success();
        assert!(
            planned(&[])
                .iter()
                .any(|line| line.starts_with("notebook build") && line.contains("artifact-gone")),
            "{store}"
        );
        assert_eq!(built(&run(&[]).success()), ["notebook"], "{store}");

        // The images have the expected contents.
        let said = docker(&engine, &["run", "--rm", &references["batch-scorer"]]).success();
        assert!(
            !said.stdout.is_empty(),
            "{store}: batch-scorer says nothing"
        );

        if std::env::var("IMGSPEC_TEST_REGISTRY").is_ok() {
            let pushed = named(&run(&["--push"]).success(), "image-pushed");
            assert_eq!(pushed.len(), images, "{store}");
            std::fs::remove_dir_all(sandbox.path(".imgspec")).expect("the state directory");
            let again = run(&["--push"]).success();
            assert!(
                built(&again).is_empty() && named(&again, "image-pushed").is_empty(),
                "{store}: {}",
                again.stderr
            );
        }
        remove_images(&engine, &sandbox, &["--var", &var]);
    }
}

const MIDDLE_FAILS: &str = r#"
defaults { labels test="NONCE" }
image "a" { base-image "busybox:1.36"; name "imgspec-test/NONCE-a" }
image "b" { base-image image="a"; commands "echo about to fail" "exit 7"; name "imgspec-test/NONCE-b" }
image "c" { base-image image="b"; name "imgspec-test/NONCE-c" }
image "d" { base-image image="a"; commands "sleep 1; echo fine"; name "imgspec-test/NONCE-d" }
"#;

#[test]
fn a_failing_command_lets_the_independent_rest_finish() {
    for (store, engine) in by_turns() {
        let sandbox = on(&engine);
        sandbox.write("imgspec.kdl", &MIDDLE_FAILS.replace("NONCE", &nonce()));
        let ran = build(&sandbox, &[]).code(1);
        assert_eq!(built(&ran), ["a", "d"], "{store}: {}", ran.stderr);
        assert_eq!(named(&ran, "image-failed"), ["b"]);
        assert_eq!(named(&ran, "image-skipped"), ["c"]);
        let failed = ran
            .stderr
            .lines()
            .find(|line| line.contains("image-failed"))
            .unwrap();
        assert!(
            failed.contains("about to fail") && failed.contains("exit 7"),
            "{store}: {failed}"
        );
        let references = references(&sandbox, &[]);
        docker(&engine, &["image", "inspect", &references["b"]]).code(1);
        assert_eq!(
            named(&build(&sandbox, &[]).code(1), "image-built"),
            Vec::<String>::new()
        );
        remove_images(&engine, &sandbox, &[]);
    }
}

#[test]
fn a_base_that_cannot_be_fetched_is_named_with_its_place_and_what_to_try() {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    for (_, engine) in by_turns() {
        let sandbox = on(&engine);
        let missing = format!("{registry}/imgspec-test/nothing:1");
        sandbox.write(
            "imgspec.kdl",
            &format!(
                "image \"missing\" {{\n  base-image \"{missing}\"\n}}\nimage \"away\" {{\n  base-image \"127.0.0.1:9/a:1\"\n}}\nimage \"own\" {{\n  dockerfile \"Dockerfile\"\n}}\n"
            ),
        );
        sandbox.write("Dockerfile", &format!("FROM {missing}\nRUN true\n"));
        let away = "`127.0.0.1:9/a:1` cannot be fetched: ";
        let ran = sandbox
            .run(&["graph", "build"])
            .code(1)
            .says(&format!("`{missing}` cannot be fetched: not found: check its name and tag\n  at imgspec.kdl:2:14\n"))
            .says(&format!("`{missing}` cannot be fetched: not found: check its name and tag\n  at imgspec.kdl:8:14\n"))
            .says(": check that `127.0.0.1:9` is running and can be reached\n  at imgspec.kdl:5:14\n")
            .says("away: attempt 3 of 3 in 4.0s: same as before");
        // Once for the first attempt, once for the failure; no empty log, and no generated Dockerfile line.
        assert_eq!(ran.stderr.matches(away).count(), 2, "{}", ran.stderr);
        for not in ["full log", "Written by imgspec"] {
            assert!(!ran.stderr.contains(not), "{}", ran.stderr);
        }
    }
}

#[test]
fn an_interrupt_leaves_no_tag_no_record_and_no_running_step() {
    for (store, engine) in by_turns() {
        let sandbox = on(&engine);
        let seconds = 600 + std::process::id() % 1000;
        let step = format!("sleep {seconds}");
        let manifest = format!(
            "image \"a\" {{ base-image \"busybox:1.36\"; name \"imgspec-test/{0}\"; labels test=\"{0}\"; commands \"{step}\" }}\n",
            nonce()
        );
        sandbox.write("imgspec.kdl", &manifest);
        let child = sandbox.spawn(&["graph", "build"]);
        wait_for(|| is_running(&step), "the step runs");
        interrupt(child.id());
        let started = Instant::now();
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(
            output.status.code(),
            Some(130),
            "{store}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            started.elapsed() < Duration::from_secs(25),
            "{store}: the interrupt took {:?}",
            started.elapsed()
        );
        wait_for(|| !is_running(&step), "the daemon stops the step");
        docker(
            &engine,
            &["image", "inspect", &references(&sandbox, &[])["a"]],
        )
        .code(1);
        assert!(
            !sandbox
                .path(".imgspec/state")
                .read_dir()
                .is_ok_and(|entries| entries.flatten().any(|entry| entry
                    .path()
                    .extension()
                    .is_some_and(|ending| ending == "json"))),
            "{store}: a record"
        );
    }
}

fn interrupt(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("a signal");
}

#[test]
fn files_that_change_during_a_build_are_noticed_and_the_image_holds_what_its_key_says() {
    // flytekit#3246: files change between hashing and upload; skaffold records the new bytes under the old key.
    for (store, engine) in by_turns() {
        let sandbox = on(&engine);
        let nonce = nonce();
        let manifest = format!(
            "image \"a\" {{ base-image \"busybox:1.36\"; name \"imgspec-test/{nonce}\"; labels test=\"{nonce}\"; copy \"f\" to=\"/f\"; commands \"sleep 3\" }}\n"
        );
        sandbox.write("imgspec.kdl", &manifest);
        sandbox.write("f", "first");
        let child = sandbox.spawn(&["graph", "build"]);
        let log = sandbox.path(".imgspec/logs/a.log");
        wait_for(
            || {
                std::fs::read_to_string(&log)
                    .unwrap_or_default()
                    .contains("sleep 3")
            },
            "the step begins",
        );
        let reference = references(&sandbox, &[])["a"].clone();
        sandbox.write("f", "other");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.contains("`f` changed while `a` was being built"),
            "{store}: {said}"
        );
        assert_eq!(
            docker(&engine, &["run", "--rm", &reference, "cat", "/f"])
                .success()
                .stdout,
            "first",
            "{store}"
        );
        assert_eq!(built(&build(&sandbox, &[]).success()), ["a"], "{store}");
        let reference = references(&sandbox, &[])["a"].clone();
        assert_eq!(
            docker(&engine, &["run", "--rm", &reference, "cat", "/f"])
                .success()
                .stdout,
            "other",
            "{store}"
        );
        remove_images(&engine, &sandbox, &[]);
    }
}

#[test]
fn a_stopped_daemon_is_said_and_nothing_begins() {
    let sandbox = on("unix:///nowhere/docker.sock");
    sandbox.write(
        "imgspec.kdl",
        "image \"a\" { builder \"docker\"; base-image \"busybox:1.36\" }\n",
    );
    sandbox.run(&["graph", "build"]).code(2).says("docker");
    assert!(!sandbox.path(".imgspec").exists());
    let said = plan(&sandbox, &[]);
    assert!(said[0].starts_with("a build"), "{said:?}");
    sandbox.run(&["doctor"]).code(1).says("missing");
}

#[test]
fn force_makes_every_step_anew() {
    // Only this updates unpinned packages.
    for (store, engine) in by_turns() {
        let sandbox = on(&engine);
        let nonce = nonce();
        let manifest = format!(
            "image \"a\" {{ base-image \"busybox:1.36\"; name \"imgspec-test/{nonce}\"; labels test=\"{nonce}\"; commands \"cat /proc/sys/kernel/random/uuid > /id\" }}\n"
        );
        sandbox.write("imgspec.kdl", &manifest);
        let id = |sandbox: &Sandbox| {
            let reference = references(sandbox, &[])["a"].clone();
            docker(&engine, &["run", "--rm", &reference, "cat", "/id"])
                .success()
                .stdout
        };
        build(&sandbox, &[]).success();
        let first = id(&sandbox);
        assert_eq!(built(&build(&sandbox, &["--force"]).success()), ["a"]);
        assert_ne!(id(&sandbox), first, "{store}");
        remove_images(&engine, &sandbox, &[]);
    }
}

#[test]
fn a_bake_file_is_imported_by_the_real_bake() {
    let bake = r#"
variable "TAG" { default = "v1" }
group "default" { targets = ["app"] }
target "_common" { platforms = ["linux/amd64"] }
target "base" {
  inherits = ["_common"]
  tags = ["localhost:5000/acme/base:${TAG}"]
}
target "app" {
  inherits = ["_common"]
  contexts = { base = "target:base", tools = "docker-image://alpine:3.20" }
  args = { VERSION = upper("x") }
  ssh = ["default"]
  dockerfile-inline = "FROM base\n"
}
target "many" {
  name = "many-${v}"
  matrix = { v = ["1", "2"] }
  args = { V = v }
}
"#;
    let sandbox = Sandbox::with(&[
        ("docker-bake.hcl", bake),
        ("Dockerfile", "FROM scratch\n"),
        (
            "compose.yml",
            "services:\n  web:\n    build: .\n    image: acme/web:1\n",
        ),
    ]);
    sandbox
        .run(&["import", "docker-bake.hcl", "-o", "imgspec.kdl"])
        .success()
        .says("`ssh` (id=default) is left out");
    let manifest = sandbox.read("imgspec.kdl");
    for part in [
        "registry \"localhost:5000/acme\"",
        "dockerfile \"app.Dockerfile\"",
        "base image=\"base\"",
        "tools \"alpine:3.20\"",
        "args VERSION=\"X\"",
        "image \"many-2\"",
        "group \"default\"",
        "group \"many\"",
        "images \"many-1\" \"many-2\"",
    ] {
        assert!(manifest.contains(part), "{part}\n{manifest}");
    }
    sandbox
        .run(&["import", "compose.yml"])
        .success()
        .says("image \"web\"")
        .says("registry \"acme\"");
}
