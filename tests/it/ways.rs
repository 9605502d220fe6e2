//! Properties shared by both uses of the engine: a `graph build`, and the first wave of a `watch`.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::watch::{Watch, Wave, all_fresh, signal};

/// The two commands that use the engine, each with its exit code when interrupted.
const WAYS: [(&[&str], i32); 2] = [
    (&["graph", "build"], 130),
    (&["watch", "--quiet-period", "2s"], 0),
];

/// Runs one of the commands with these flags and collects its events.
fn start(way: &[&str], sandbox: &Sandbox, flags: &[&str]) -> Watch {
    let common = ["--builder", "fake", "--progress", "json"];
    Watch::of(sandbox.spawn(&[way, &common, flags].concat()))
}

/// All events until the wave ends.
#[track_caller]
fn wave(heard: &mut Watch) -> Wave {
    heard.until("run-finished");
    Wave(heard.heard.clone())
}

fn last(wave: &Wave) -> &Value {
    wave.0.last().expect("it says something")
}

fn count(sandbox: &Sandbox, folder: &str) -> usize {
    let entries = std::fs::read_dir(sandbox.path(".imgspec/fake").join(folder));
    entries.map_or(0, Iterator::count)
}

#[test]
fn an_image_whose_files_move_before_they_are_sent_is_built_as_they_are() {
    // flytekit#3246: `b` is staged only after `a` is built; its file changes in between.
    let manifest = "image \"a\" { base-image \"scratch\"; commands \"true\" }\nimage \"b\" { base-image image=\"a\"; copy \"f\" to=\"/f\" }\nimage \"c\" { base-image image=\"b\" }\n";
    for (way, _) in WAYS {
        let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("f", "old")])
            .env("IMGSPEC_FAKE_SECONDS", "0.4");
        let mut heard = start(way, &sandbox, &[]);
        heard.until("image-step");
        sandbox.write("f", "new");
        let wave = wave(&mut heard);
        assert_eq!(wave.built(), ["a", "b", "c"], "{way:?}");
        all_fresh(&sandbox);
    }
}

#[test]
fn an_interrupt_stops_what_runs_and_leaves_neither_tag_nor_record() {
    let manifest = "image \"a\" { base-image \"scratch\"; commands \"true\" }\nimage \"b\" { base-image image=\"a\" }\n";
    for (way, code) in WAYS {
        let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]).env("IMGSPEC_FAKE_SECONDS", "30");
        let mut heard = start(way, &sandbox, &[]);
        heard.until("image-step");
        signal(heard.pid(), Signal::INT);
        let wave = Wave(heard.ends(code));
        assert_eq!(wave.images("image-started"), ["a"], "{way:?}");
        assert!(wave.images("image-cancelled").contains(&"a".to_owned()));
        assert_eq!(count(&sandbox, "local"), 0, "{way:?}");
        assert!(sandbox.plan(&[])[0].ends_with("never-built"), "{way:?}");
    }
}

#[test]
fn fail_fast_stops_what_runs_and_starts_nothing_more() {
    let manifest = "image \"bad\" { base-image \"scratch\" }\nimage \"slow\" { base-image \"scratch\"; commands \"1\" }\nimage \"never\" { base-image \"scratch\" }\nimage \"above\" { base-image image=\"bad\" }\n";
    for (way, _) in WAYS {
        let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)])
            .env("IMGSPEC_FAKE_FAIL", "bad")
            .env("IMGSPEC_FAKE_SECONDS", "0.3");
        // `slow` waits to be retried when `bad` fails.
        let sandbox = sandbox.env("IMGSPEC_FAKE_STUMBLE", "slow:1");
        let mut heard = start(way, &sandbox, &["--fail-fast", "-j", "2"]);
        let wave = wave(&mut heard);
        assert_eq!(wave.built(), [""; 0], "{way:?}");
        assert_eq!(wave.images("image-started"), ["bad", "slow"], "{way:?}");
        assert_eq!(wave.images("image-failed"), ["bad"], "{way:?}");
        assert!(wave.images("image-cancelled").contains(&"slow".to_owned()));
        assert_eq!(last(&wave)["failed"], json!(["bad"]), "{way:?}");
        assert_eq!(last(&wave)["skipped"], json!(["above"]), "{way:?}");
    }
}

const PUSHED: &str = r#"
image "a" { base-image "scratch"; registry "registry.example.com/team"; copy "f" to="/f" }
image "b" { base-image image="a"; registry "registry.example.com/team" }
image "local" { base-image image="a" }
"#;

/// A watch used to wait forever for an image that would never be pushed.
#[test]
fn all_or_nothing_pushes_nothing_when_one_fails_and_the_wave_ends() {
    for (way, _) in WAYS {
        let sandbox = Sandbox::with(&[("imgspec.kdl", PUSHED), ("f", "1")])
            .env("IMGSPEC_FAKE_SECONDS", "0")
            .env("IMGSPEC_FAKE_FAIL", "b");
        let mut heard = start(way, &sandbox, &["--push=all-or-nothing"]);
        let wave = wave(&mut heard);
        assert_eq!(wave.built(), ["a", "local"], "{way:?}");
        assert_eq!(wave.count("image-pushed"), 0, "{way:?}");
        assert_eq!(last(&wave)["failed"], json!(["b"]), "{way:?}");
        assert_eq!(count(&sandbox, "registry"), 0, "{way:?}");
    }
}

#[test]
fn all_or_nothing_pushes_after_the_last_build() {
    for (way, _) in WAYS {
        let sandbox = Sandbox::with(&[("imgspec.kdl", PUSHED), ("f", "1")])
            .env("IMGSPEC_FAKE_SECONDS", "0.05");
        let mut heard = start(way, &sandbox, &["--push=all-or-nothing"]);
        let wave = wave(&mut heard);
        let kinds = wave.0.iter().map(|event| &event["event"]);
        let kinds: Vec<&Value> = kinds
            .filter(|kind| **kind == "image-built" || **kind == "image-pushed")
            .collect();
        let expected = [["image-built"; 3].as_slice(), &["image-pushed"; 2]].concat();
        assert_eq!(kinds, expected, "{way:?}");
        assert_eq!(count(&sandbox, "registry"), 2, "{way:?}");
    }
}

#[test]
fn passing_failures_are_tried_again_and_said_as_often_as_was_asked_for() {
    let manifest = "image \"a\" { base-image \"scratch\" }\nimage \"b\" { base-image image=\"a\" }\nimage \"x\" { base-image \"scratch\" }\nimage \"y\" { base-image image=\"x\" }\n";
    for (way, _) in WAYS {
        let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)])
            .env("IMGSPEC_FAKE_SECONDS", "0")
            .env("IMGSPEC_FAKE_STUMBLE", "a:1,x:5");
        let mut heard = start(way, &sandbox, &["--attempts", "2"]);
        let wave = wave(&mut heard);
        assert_eq!(wave.images("image-retry"), ["a", "x"], "{way:?}");
        assert_eq!(wave.built(), ["a", "b"], "{way:?}");
        assert_eq!(last(&wave)["failed"], json!(["x"]), "{way:?}");
        assert_eq!(last(&wave)["skipped"], json!(["y"]), "{way:?}");
        assert_eq!(sandbox.built(), ["a", "a", "b", "x", "x"], "{way:?}");
    }
}

#[test]
fn jobs_are_at_most_what_was_asked_for_and_the_longest_path_goes_first() {
    let mut manifest = String::from("image \"short\" { base-image \"scratch\" }\n");
    for at in 0..4 {
        let base = if at == 0 {
            "\"scratch\"".into()
        } else {
            format!("image=\"l{}\"", at - 1)
        };
        manifest.push_str(&format!("image \"l{at}\" {{ base-image {base} }}\n"));
    }
    for (way, _) in WAYS {
        let sandbox =
            Sandbox::with(&[("imgspec.kdl", &manifest)]).env("IMGSPEC_FAKE_SECONDS", "0.02");
        let mut heard = start(way, &sandbox, &["-j", "1"]);
        let wave = wave(&mut heard);
        let is_life =
            |event: &&Value| event["event"] == "image-started" || event["event"] == "image-built";
        let life: Vec<&Value> = wave.0.iter().filter(is_life).collect();
        for pair in life.chunks(2) {
            assert_eq!(pair[0]["image"], pair[1]["image"], "{way:?}: one at a time");
        }
        assert_eq!(life[0]["image"], "l0", "{way:?}");
    }
}
