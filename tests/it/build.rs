//! `graph build`: failures, retries, interrupts, pushes, metadata.

use std::time::Duration;

use crate::sandbox::{Ran, Sandbox};

const CHAIN: &str = r#"
image "a" { base-image "scratch" }
image "b" { base-image image="a" }
image "c" { base-image image="b" }
image "x" { base-image "scratch" }
image "y" { base-image image="x" }
"#;

pub(crate) fn events(ran: &Ran) -> Vec<serde_json::Value> {
    ran.stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn a_failure_stops_its_dependents_and_nothing_else() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", CHAIN)]).env("IMGSPEC_FAKE_FAIL", "a");
    let ran = sandbox.build(&["--progress", "json"]).code(1);
    let all = events(&ran);
    let last = all.last().unwrap();
    assert_eq!(last["event"], "run-finished");
    assert_eq!(
        (
            last["failed"].to_string(),
            last["skipped"].to_string(),
            last["built"].to_string()
        ),
        ("[\"a\"]".into(), "[\"b\",\"c\"]".into(), "2".into())
    );
    let failed = all
        .iter()
        .find(|event| event["event"] == "image-failed")
        .unwrap();
    assert_eq!(failed["log"], ".imgspec/logs/a.log");
    assert!(failed["tail"].to_string().contains("told to fail"));
    assert!(sandbox.read(".imgspec/logs/a.log").contains("told to fail"));
    assert_eq!(sandbox.built(), ["a", "x", "y"]);
    // Successes are retained.
    assert_eq!(sandbox.plan(&[])[3], "x fresh");
}

#[test]
fn fail_fast_stops_everything() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", CHAIN)])
        .env("IMGSPEC_FAKE_FAIL", "a")
        .env("IMGSPEC_FAKE_SECONDS", "0.1");
    let ran = sandbox
        .build(&["--fail-fast", "-j", "1", "--progress", "json"])
        .code(1);
    let all = events(&ran);
    assert_eq!(
        all.last().unwrap()["cancelled"],
        serde_json::json!(["x", "y"])
    );
    assert_eq!(sandbox.built(), ["a"]);
}

#[test]
fn passing_failures_are_tried_again_and_said() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", CHAIN)]).env("IMGSPEC_FAKE_STUMBLE", "a:1,x:5");
    let ran = sandbox
        .build(&["--attempts", "2", "--progress", "json"])
        .code(1);
    let all = events(&ran);
    assert!(all.iter().any(|event| event["event"] == "image-retry"
        && event["image"] == "a"
        && event["attempt"] == 2));
    assert_eq!(all.last().unwrap()["failed"], serde_json::json!(["x"]));
    assert_eq!(sandbox.built(), ["a", "a", "b", "c", "x", "x"]);
}

#[test]
fn an_interrupt_leaves_no_record_and_exits_130() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", CHAIN)]).env("IMGSPEC_FAKE_SECONDS", "30");
    let child = sandbox.spawn(&["graph", "build", "--builder", "fake"]);
    wait_for(|| sandbox.path(".imgspec/logs/a.log").exists());
    interrupt(child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        sandbox
            .plan(&[])
            .iter()
            .all(|line| line.ends_with("never-built") || line.contains("base-rebuilt"))
    );
    assert!(!sandbox.path(".imgspec/fake/local").exists());
}

pub(crate) fn interrupt(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

pub(crate) fn wait_for(is_true: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const PUSHED: &str = r#"
image "a" { base-image "scratch"; registry "registry.example.com/team" }
image "b" { base-image image="a"; registry "registry.example.com/team" }
image "local" { base-image image="a" }
"#;

#[test]
fn pushes_follow_builds_and_an_empty_state_folder_finds_them_by_key() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", PUSHED)]);
    let ran = sandbox.build(&["--push", "--progress", "json"]).success();
    let pushed: Vec<String> = events(&ran)
        .iter()
        .filter(|event| event["event"] == "image-pushed")
        .map(|event| event["image"].to_string())
        .collect();
    assert_eq!(pushed.len(), 2);
    assert_eq!(
        std::fs::read_dir(sandbox.path(".imgspec/fake/registry"))
            .unwrap()
            .count(),
        2
    );
    sandbox.built();
    std::fs::remove_dir_all(sandbox.path(".imgspec/state")).unwrap();
    std::fs::remove_dir_all(sandbox.path(".imgspec/fake/local")).unwrap();
    assert_eq!(sandbox.plan(&["--push", "a", "b"]), ["a fresh", "b fresh"]);
    sandbox.build(&["--push", "a", "b"]).success();
    assert!(sandbox.built().is_empty());
}

#[test]
fn what_is_built_but_not_pushed_is_only_pushed() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", PUSHED)]);
    sandbox.build(&[]).success();
    sandbox.built();
    assert_eq!(
        sandbox.plan(&["--push"]),
        [
            "a build artifact-gone:registry",
            "b build artifact-gone:registry",
            "local fresh"
        ]
    );
    sandbox.build(&["--push"]).success();
    assert!(sandbox.built().is_empty());
    assert_eq!(
        sandbox.plan(&["--push"]),
        ["a fresh", "b fresh", "local fresh"]
    );
}

#[test]
fn all_or_nothing_pushes_nothing_when_one_fails() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", PUSHED)]).env("IMGSPEC_FAKE_FAIL", "b");
    sandbox.build(&["--push=all-or-nothing"]).code(1);
    assert!(!sandbox.path(".imgspec/fake/registry").exists());
    let sandbox = sandbox.env("IMGSPEC_FAKE_FAIL", "");
    sandbox.build(&["--push=all-or-nothing"]).success();
    assert_eq!(
        std::fs::read_dir(sandbox.path(".imgspec/fake/registry"))
            .unwrap()
            .count(),
        2
    );
}

#[test]
fn pushing_needs_a_registry() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", CHAIN)]);
    sandbox
        .build(&["--push"])
        .code(2)
        .says("none of the images has a registry");
}

#[test]
fn the_metadata_file_tells_of_every_image() {
    let sandbox = Sandbox::with(&[("imgspec.kdl", PUSHED)]);
    sandbox.build(&["a"]).success();
    sandbox.build(&["--metadata-file", "meta.json"]).success();
    let meta: serde_json::Value = serde_json::from_str(&sandbox.read("meta.json")).unwrap();
    assert_eq!(meta.as_object().unwrap().len(), 3);
    assert_eq!(meta["a"]["seconds"], serde_json::Value::Null);
    assert!(meta["b"]["seconds"].is_number());
    assert_eq!(meta["b"]["backend"], "fake");
    let reference = meta["b"]["reference"].as_str().unwrap();
    assert_eq!(
        reference,
        format!(
            "registry.example.com/team/b:{}",
            &meta["b"]["key"].as_str().unwrap()[..32]
        )
    );
    assert!(meta["b"]["digest"].as_str().unwrap().starts_with("sha256:"));
}

#[test]
fn jobs_are_at_most_what_was_asked_for() {
    let mut images = String::new();
    for at in 0..12 {
        images.push_str(&format!("image \"i{at}\" {{ base-image \"scratch\" }}\n"));
    }
    let sandbox = Sandbox::with(&[("imgspec.kdl", &images)]).env("IMGSPEC_FAKE_SECONDS", "0.05");
    let ran = sandbox.build(&["-j", "3", "--progress", "json"]).success();
    let (mut running, mut most) = (0, 0);
    for event in events(&ran) {
        match event["event"].as_str().unwrap() {
            "image-started" => running += 1,
            "image-built" => running -= 1,
            _ => {}
        }
        most = most.max(running);
    }
    assert_eq!(most, 3);
}

#[test]
fn only_the_named_files_of_a_source_root_are_copied() {
    let sandbox = Sandbox::with(&[
        (
            "imgspec.kdl",
            "image \"app\" { source-root \"src\"; source-files \"a.py\" \"lib/c.py\" }\n",
        ),
        (".dockerignore", "**/c.py\n"),
        ("src/a.py", "the first"),
        ("src/b.py", "the second"),
        ("src/lib/c.py", "the third"),
    ]);
    let received = sandbox.path("received").to_string_lossy().into_owned();
    let sandbox = sandbox.env("IMGSPEC_FAKE_RECEIVED", &received);
    sandbox.build(&[]).success();
    let received = sandbox.read("received");
    assert!(
        received.contains("the first") && received.contains("the third"),
        "{received}"
    );
    assert!(!received.contains("the second"), "{received}");
    sandbox.write("src/b.py", "another second");
    assert_eq!(sandbox.plan(&[]), ["app fresh"]);
    sandbox.write("src/lib/c.py", "another third");
    assert!(sandbox.plan(&[])[0].contains("src/lib/c.py"), "a named one");
    let missing = sandbox
        .read("imgspec.kdl")
        .replace("lib/c.py", "nowhere.py");
    sandbox.write("imgspec.kdl", &missing);
    sandbox.run(&["check"]).code(2).says("src/nowhere.py");
}
