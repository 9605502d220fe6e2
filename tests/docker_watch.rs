//! `imgspec watch` on a real engine: an edit really stops a build that it makes obsolete.

#[path = "engine/mod.rs"]
mod engine;
#[path = "it/sandbox.rs"]
#[allow(dead_code, reason = "the sandbox serves several test programs")]
mod sandbox;
#[path = "engine/waiting.rs"]
mod waiting;

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::Instant;

use engine::engines;
use sandbox::{Ran, Sandbox};
use serde_json::Value;
use waiting::{heard, is_running, wait_for};

#[test]
fn an_edit_during_a_long_step_stops_it_in_the_daemon_and_the_new_build_ends_right() {
    for (at, (store, engine)) in engines().into_iter().enumerate() {
        let sandbox = Sandbox::new().env("DOCKER_HOST", &engine);
        // A number of seconds that no other test sleeps.
        let seconds =
            60_000 + usize::try_from(std::process::id()).expect("a number") % 10_000 * 2 + at;
        let step = format!("sleep {seconds}");
        let name = format!("imgspec-test/watch-{:x}-{at}", std::process::id());
        let manifest = format!(
            "image \"a\" {{ base-image \"busybox:1.36\"; name \"{name}\"; copy \"f\" to=\"/f\"; commands \"if grep -q slow /f; then {step}; fi\" }}\n"
        );
        sandbox.write("imgspec.kdl", &manifest);
        sandbox.write("f", &format!("slow {:?}", std::time::SystemTime::now()));
        let mut child = sandbox.spawn(&["watch", "--progress", "json"]);
        wait_for(|| is_running(&step), "the step runs");
        let stale = sandbox
            .run(&["tag", "a"])
            .success()
            .stdout
            .trim()
            .to_owned();
        let edited = Instant::now();
        sandbox.write("f", &format!("quick {:?}", std::time::SystemTime::now()));
        wait_for(|| !is_running(&step), "the daemon stops the step");
        let stopped = edited.elapsed();
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let events = lines
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        let mut kinds = Vec::new();
        for event in events {
            kinds.push(event["event"].as_str().unwrap_or_default().to_owned());
            if event["event"] == "watch-waiting" {
                break;
            }
        }
        println!(
            "{store}: the step was gone after {stopped:?}, the new image there after {:?}",
            edited.elapsed()
        );
        assert!(
            kinds.contains(&"image-superseded".to_owned())
                && kinds.contains(&"image-built".to_owned()),
            "{store}: {kinds:?}"
        );
        let docker = |arguments: &[&str]| {
            let call = || {
                let mut docker = Command::new("docker");
                Ran::of(docker.args(arguments).env("DOCKER_HOST", &engine))
            };
            heard(arguments, call, Ran::is_silent)
        };
        let fresh = sandbox
            .run(&["tag", "a"])
            .success()
            .stdout
            .trim()
            .to_owned();
        docker(&["image", "inspect", &stale]).code(1);
        docker(&["run", "--rm", "--network", "none", &fresh, "cat", "/f"])
            .success()
            .says("quick");
        let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
        docker(&["image", "rm", "-f", &fresh]).success();
    }
}
