//! What `graph build` leaves for later: the timeline and the summary.

use serde_json::{Value, json};

use crate::browser::in_browser;
use crate::build::{interrupt, wait_for};
use crate::sandbox::{Ran, Sandbox};

/// `app` on `base`, and `docs` apart.
fn shop() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "imgspec.kdl",
        "image \"base\" { base-image \"scratch\"; env A=\"1\" }\n\
         image \"app\" { base-image image=\"base\"; env A=\"2\" }\n\
         image \"docs\" { base-image \"scratch\"; env A=\"3\" }\n",
    );
    sandbox
}

fn trace(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.read("t.json")).unwrap()
}

/// `image state` of each span of a worker.
fn spans(trace: &Value) -> Vec<String> {
    let events = trace["traceEvents"].as_array().unwrap().iter();
    let spans = events.filter(|event| event["ph"] == "X" && event["tid"] != 0);
    let mut spans: Vec<String> = spans
        .map(|span| {
            let words = [&span["name"], &span["args"]["state"]];
            words.map(|word| word.as_str().unwrap()).join(" ")
        })
        .collect();
    spans.sort();
    spans
}

#[test]
fn a_timeline_tells_when_each_image_was_built_and_why() {
    let sandbox = shop().env("IMGSPEC_FAKE_SECONDS", "0.1");
    sandbox.build(&["--timeline", "t.json"]).success();
    let trace = trace(&sandbox);
    assert_eq!(spans(&trace), ["app built", "base built", "docs built"]);
    assert_eq!(trace["otherData"]["critical-path"], json!(["base", "app"]));
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |name: &str| {
        let mut events = events.iter();
        events.find(|event| event["name"] == name).unwrap()
    };
    let (base, app) = (of("base"), of("app"));
    assert_eq!(app["args"]["reasons"][0], "never built");
    assert!(app["args"]["reference"].as_str().unwrap().contains("app:"));
    let time = |event: &Value, name: &str| event[name].as_u64().unwrap();
    assert!(time(base, "dur") >= 100_000, "microseconds: {base}");
    assert!(time(app, "ts") >= time(base, "ts") + time(base, "dur"));
    // Nothing happened in a run that has nothing to do.
    sandbox.build(&["--timeline", "t.json"]).success();
    assert_eq!(spans(&self::trace(&sandbox)), Vec::<String>::new());
}

#[test]
fn a_timeline_is_written_when_images_fail_too() {
    let sandbox = shop().env("IMGSPEC_FAKE_FAIL", "base");
    sandbox.build(&["--timeline", "t.json"]).code(1);
    let trace = trace(&sandbox);
    assert_eq!(spans(&trace), ["base failed", "docs built"]);
    let mut events = trace["traceEvents"].as_array().unwrap().iter();
    let base = events.find(|event| event["name"] == "base").unwrap();
    assert_eq!(base["args"]["error"], "told to fail");
}

#[test]
fn a_timeline_is_written_when_the_run_is_interrupted_too() {
    let sandbox = shop().env("IMGSPEC_FAKE_SECONDS", "60");
    let child = sandbox.spawn(&[
        "graph",
        "build",
        "--builder",
        "fake",
        "--timeline",
        "t.json",
    ]);
    let log = sandbox.path(".imgspec/fake/builds.log");
    wait_for(|| std::fs::read_to_string(&log).is_ok_and(|log| log.lines().count() == 2));
    interrupt(child.id());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    assert_eq!(
        spans(&trace(&sandbox)),
        ["base cancelled", "docs cancelled"]
    );
}

#[test]
fn a_timeline_that_nothing_can_open_is_refused() {
    for file in ["t.txt", "t", ".json"] {
        let sandbox = shop();
        sandbox
            .build(&["--timeline", file])
            .code(2)
            .says("`.html`")
            .says("`.json`");
        assert!(!sandbox.path(".imgspec").exists());
    }
}

#[test]
fn a_timeline_is_a_page_too_that_works_without_anything_else() {
    // Long enough for a busy machine to start `docs` before `base` and `app` are done: these are the critical path.
    let sandbox = shop().env("IMGSPEC_FAKE_SECONDS", "0.6");
    sandbox.build(&["--timeline", "t.html"]).success();
    let input = json!({ "file": sandbox.path("t.html"), "image": "app" });
    let Some(seen) = in_browser("timeline.mjs", &input) else {
        return;
    };
    assert_eq!(seen["trouble"], json!([]));
    assert_eq!(seen["requests"], json!([]));
    let text = |name: &str| seen[name].as_str().unwrap();
    assert!(
        text("about").starts_with("3 images on 2 workers in "),
        "{seen}"
    );
    assert!(
        text("about").ends_with("critical path: base → app"),
        "{seen}"
    );
    assert!(text("tip").contains("never built"), "{seen}");
    for (what, image) in [
        ("tip", "base"),
        ("panel", "base"),
        ("last", "app"),
        ("selected", "app"),
    ] {
        assert!(text(what).starts_with(image), "{what}: {seen}");
    }
    for what in ["zooms", "pans", "fits", "themes"] {
        assert_eq!(seen[what], true, "{what}: {seen}");
    }
    assert_eq!(seen["table"].as_array().unwrap().len(), 3);
    assert_eq!(
        spans(&seen["trace"]),
        ["app built", "base built", "docs built"]
    );
    // A page that was saved shows the same.
    assert_eq!(text("name"), "work.html");
    assert_eq!(seen["aboutAgain"], seen["about"]);
    assert!(
        text("panelAgain").contains("base-image image=\"base\""),
        "{seen}"
    );
}

/// `graph build` with a summary, as a step of GitHub's.
fn build_in_step(sandbox: &Sandbox) -> Ran {
    let mut command = sandbox.command(&[
        "graph",
        "build",
        "--builder",
        "fake",
        "--summary",
        "step.md",
    ]);
    command.env("GITHUB_STEP_SUMMARY", sandbox.path("step.md"));
    Ran::of(&mut command)
}

#[test]
fn a_summary_tells_what_was_built_and_why_it_failed() {
    let sandbox = shop().env("IMGSPEC_FAKE_FAIL", "base");
    sandbox.build(&["--summary", "s.md"]).code(1);
    let text = sandbox.read("s.md");
    assert!(
        text.starts_with("## imgspec: built 1, failed 1, skipped 1 in "),
        "{text}"
    );
    for part in [
        "| **failed** | <code>base</code> |",
        "| skipped | <code>app</code> |",
        "because base failed",
        "| built | <code>docs</code> |",
        "### <code>base</code> failed after ",
        "\n```\ntold to fail\n",
        "```mermaid\nflowchart BT\n",
        "class i_base failed\n",
    ] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    // Written anew, as other files are.
    let sandbox = sandbox.env("IMGSPEC_FAKE_FAIL", "");
    sandbox.build(&["--summary", "s.md"]).success();
    let text = sandbox.read("s.md");
    assert!(
        text.starts_with("## imgspec: built 2, fresh 1 in "),
        "{text}"
    );
    assert_eq!(text.matches("## ").count(), 1);
}

#[test]
fn the_summary_of_a_step_is_added_to_what_is_there() {
    let sandbox = shop();
    sandbox.write("step.md", "# Another command");
    build_in_step(&sandbox).success();
    build_in_step(&sandbox).success();
    let text = sandbox.read("step.md");
    assert!(
        text.starts_with("# Another command\n## imgspec: built 3 in "),
        "{text}"
    );
    assert!(text.contains("\n## imgspec: fresh 3 in "), "{text}");
    // GitHub shows 1 MiB of all together.
    sandbox.write("step.md", &"x".repeat(1 << 20));
    build_in_step(&sandbox).success();
    let added = sandbox.read("step.md").split_off(1 << 20);
    assert!(added.starts_with("\n## imgspec: fresh 3 in "), "{added}");
    assert!(!added.contains("<code>app</code>"), "{added}");
}

#[test]
fn a_plan_has_a_summary_too() {
    let sandbox = shop();
    for words in [&["graph", "plan"][..], &["graph", "build", "--dry-run"]] {
        let words = [words, &["--builder", "fake", "--summary", "s.md"]].concat();
        sandbox.run(&words).success();
        let text = sandbox.read("s.md");
        assert!(text.starts_with("## imgspec: 3 to build\n"), "{text}");
        assert!(text.contains("| build | <code>app</code> |") && text.contains("never built"));
        std::fs::remove_file(sandbox.path("s.md")).unwrap();
    }
}
