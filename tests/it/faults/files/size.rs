//! Extremely many files, and extremely large ones.

use std::fs::File;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{bounded, ends, within_memory};
use crate::faults::guarded;
use crate::sandbox::Sandbox;
use crate::watch::Watch;

#[test]
fn a_hundred_thousand_files_are_hashed_sent_and_found_fresh() {
    let manifest = "image \"a\" { base-image \"scratch\"; copy \"src\" to=\"/src\" }\n";
    let sandbox = Sandbox::in_memory();
    sandbox.write("imgspec.kdl", manifest);
    for folder in 0..100 {
        let at = sandbox.path(&format!("src/{folder}"));
        std::fs::create_dir_all(&at).unwrap();
        for file in 0..1000 {
            File::create(at.join(format!("f{file}"))).unwrap();
        }
    }
    let build = ["graph", "build", "--builder", "fake"];
    bounded(&sandbox, &build).success();
    bounded(&sandbox, &["graph", "plan", "--builder", "fake"])
        .success()
        .says("1 fresh");
}

/// The signal must end it as quickly as a user expects.
#[track_caller]
fn ends_by(child: &mut Child, signal: Signal, what: &dyn std::fmt::Debug) {
    assert!(child.try_wait().unwrap().is_none(), "{what:?} has ended");
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    let begun = Instant::now();
    kill_process(pid, signal).unwrap();
    ends(child, what);
    assert!(begun.elapsed() < Duration::from_secs(5), "{what:?}");
}

#[test]
fn ten_gibibytes_that_are_hashed_or_sent_are_given_up_when_asked() {
    let manifest = "image \"a\" { base-image \"scratch\"; copy \"src\" to=\"/src\" }\n";
    let sandbox = guarded(&[("imgspec.kdl", manifest), ("src/small", "1")]);
    let file = File::create(sandbox.path("src/large")).unwrap();
    file.set_len(10 << 30).unwrap();
    let commands: [&[&str]; 3] = [
        &["graph", "plan", "--builder", "fake"],
        &["graph", "build", "--builder", "fake"],
        &["watch", "--builder", "fake"],
    ];
    for command in commands {
        for signal in [Signal::INT, Signal::TERM] {
            let mut child = within_memory(&sandbox.command(command)).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(300));
            ends_by(&mut child, signal, &(command, signal));
        }
    }
    assert!(!sandbox.path(".imgspec/state").exists());
}

#[test]
fn ten_gibibytes_that_come_while_it_builds_or_watches_are_given_up_when_asked() {
    let manifest = "image \"a\" { base-image \"scratch\"; copy \"src\" to=\"/src\" }\n";
    let grow = |sandbox: &Sandbox| {
        let file = File::create(sandbox.path("src/large")).unwrap();
        file.set_len(10 << 30).unwrap();
    };
    let sandbox = guarded(&[("imgspec.kdl", manifest), ("src/small", "1")]);
    let mut watch = Watch::settled(&sandbox, &[]);
    grow(&sandbox);
    std::thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    watch.heard.clear();
    let heard = watch.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "{heard:?}");
    // No look was completed.
    let told = |event: &serde_json::Value| event["event"] == "image-started";
    assert!(!heard.iter().any(told), "{heard:?}");

    let sandbox = guarded(&[("imgspec.kdl", manifest), ("src/small", "1")])
        .env("IMGSPEC_FAKE_SECONDS", "0.5");
    let build = ["graph", "build", "--builder", "fake"];
    let mut child = within_memory(&sandbox.command(&build)).spawn().unwrap();
    while !sandbox.path(".imgspec/logs/a.log").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // Built images are compared with the current files.
    grow(&sandbox);
    std::thread::sleep(Duration::from_millis(1500));
    if child.try_wait().unwrap().is_none() {
        ends_by(&mut child, Signal::INT, &build);
    }
}
