//! Signals at random moments: the process ends in time, leaves no child process behind, and the next run is correct.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::server::{Answer, Server};
use super::{CANARY, guarded};
use crate::dice::Dice;
use crate::registry::{Fault, Registry, digest, layer};
use crate::sandbox::Sandbox;

/// A process that has not ended this long after a signal is waiting for something it should not.
const GRACE: Duration = Duration::from_secs(10);

const SIGNALS: [Signal; 5] = [
    Signal::INT,
    Signal::TERM,
    Signal::HUP,
    Signal::QUIT,
    Signal::KILL,
];

/// Marks the environment of every process that a sandbox starts.
const MARK: &str = "IMGSPEC_TEST_MARK";

/// Tests started in the background of a shell, or with `nohup`, ignore signals, and so do their children until they
/// install handlers. Signals that are handled here are no longer ignored in children.
fn no_signal_is_ignored_from_the_start() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    for signal in SIGNALS {
        let raw = signal.as_raw();
        if ignored.unwrap_or_default() >> (raw - 1) & 1 == 1 {
            signal_hook::flag::register(raw, Arc::default()).expect("it can be caught");
        }
    }
}

/// 24 images: 6 roots, and three layers on top of them.
fn workspace() -> Sandbox {
    no_signal_is_ignored_from_the_start();
    let mut manifest = String::new();
    for at in 0..24 {
        let base = match at {
            0..6 => "\"scratch\"".to_owned(),
            _ => format!("image=\"i{}\"", at - 6),
        };
        manifest.push_str(&format!(
            "image \"i{at}\" {{ base-image {base}; copy \"f\" to=\"/f\"; commands \"true\" }}\n"
        ));
    }
    let sandbox = guarded(&[("imgspec.kdl", &manifest), ("f", "1")]);
    let mark = sandbox.root().display().to_string();
    sandbox.env("IMGSPEC_FAKE_SECONDS", "0.02").env(MARK, &mark)
}

fn send(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a pid");
    // It may have ended already.
    let _ = kill_process(pid, signal);
}

/// Waits for the process to end, and fails if that takes longer than the grace period.
#[track_caller]
fn ends(child: &mut Child, what: &str) -> ExitStatus {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > GRACE {
            let _ = child.kill();
            panic!("{what}: it still runs {GRACE:?} after the signal");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Processes started by the sandbox's commands that are still running.
fn left(sandbox: &Sandbox) -> Vec<String> {
    let mark = format!("{MARK}={}", sandbox.root().display());
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let has_mark = |folder: &std::path::Path| {
        let environ = std::fs::read(folder.join("environ")).unwrap_or_default();
        environ
            .split(|byte| *byte == 0)
            .any(|pair| pair == mark.as_bytes())
    };
    processes
        .map(|entry| entry.path())
        .filter(|folder| has_mark(folder))
        .map(|folder| std::fs::read(folder.join("cmdline")).unwrap_or_default())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .collect()
}

/// These are readable by everyone on the machine.
#[track_caller]
fn no_command_line_tells_the_secret(what: &str) {
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        assert!(!line.contains(CANARY), "{what}: {line}");
    }
}

/// Asserts that no process of the sandbox is left shortly after its command ended.
#[track_caller]
fn nothing_is_left(sandbox: &Sandbox, what: &str) {
    let begun = Instant::now();
    while !left(sandbox).is_empty() {
        assert!(begun.elapsed() < GRACE, "{what}: {:?}", left(sandbox));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Keys of the manifest's images, by image.
fn keys(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let tags = sandbox.run(&["tag", "--format", "json"]).success().json();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let tags = tags.as_array().expect("tags").iter();
    tags.map(|tag| (text(&tag["image"]), text(&tag["key"])))
        .collect()
}

/// Asserts that every record is intact and has the requested key.
#[track_caller]
fn records_are_right(sandbox: &Sandbox, keys: &BTreeMap<String, String>, what: &str) {
    let Ok(entries) = std::fs::read_dir(sandbox.path(".imgspec/state")) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let record: serde_json::Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{what}: {}: {error}", path.display()));
        let image = record["image"].as_str().unwrap();
        assert_eq!(
            record["key"].as_str(),
            keys.get(image).map(String::as_str),
            "{what}"
        );
    }
}

/// The possible exit codes after a signal: the program's, the signal's, or success if it had finished before.
#[track_caller]
fn is_told(status: ExitStatus, signal: Signal, done: &[i32], what: &str) {
    let raw = signal.as_raw();
    let by_signal = status.signal() == Some(raw);
    let by_code = status
        .code()
        .is_some_and(|code| done.contains(&code) || code == 130 || code == 128 + raw);
    assert!(by_signal || by_code, "{what}: {status:?}");
}

/// Sends signals at 50 random moments to one of the processes made by `start`, and checks each time what is left.
/// `done` lists the exit codes of a process that was not hit.
fn at_50_moments(seed: u64, done: &[i32], start: impl Fn(&Sandbox) -> Vec<Child>) {
    let sandbox = workspace();
    let keys = keys(&sandbox);
    let mut dice = Dice::new(seed);
    for round in 0..50 {
        let signal = SIGNALS[round % SIGNALS.len()];
        let mut what = format!("round {round}, {signal:?}");
        if round % SIGNALS.len() == 0 {
            let _ = std::fs::remove_dir_all(sandbox.path(".imgspec"));
        }
        let mut children = start(&sandbox);
        std::thread::sleep(Duration::from_millis(dice.below(150)));
        let hit = dice.index(children.len());
        no_command_line_tells_the_secret(&what);
        send(&children[hit], signal);
        let status = ends(&mut children[hit], &what);
        for mut child in children {
            // The others finish; the one that was hit has ended.
            ends(&mut child, &what);
            let said = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(!said.contains(CANARY), "{what}: {said}");
            what = format!("{what}\n{said}");
        }
        is_told(status, signal, done, &what);
        nothing_is_left(&sandbox, &what);
        records_are_right(&sandbox, &keys, &what);
    }
    sandbox.build(&[]).success();
    records_are_right(&sandbox, &keys, "at the end");
    let plan = sandbox.plan(&[]);
    assert!(plan.iter().all(|line| line.ends_with(" fresh")), "{plan:?}");
}

const BUILD: [&str; 6] = ["graph", "build", "--builder", "fake", "--jobs", "4"];

#[test]
fn a_build_ends_at_each_signal_and_loses_nothing() {
    at_50_moments(0x9e37_79b9_7f4a_7c15, &[0], |sandbox| {
        vec![sandbox.spawn(&BUILD)]
    });
}

#[test]
fn of_two_runs_that_hold_each_others_locks_one_is_hit_and_the_other_finishes() {
    at_50_moments(0xd1b5_4a32_d192_ed03, &[0], |sandbox| {
        vec![sandbox.spawn(&BUILD), sandbox.spawn(&BUILD)]
    });
}

#[test]
fn a_watch_ends_at_each_signal_and_loses_nothing() {
    at_50_moments(0x2545_f491_4f6c_dd1d, &[0], |sandbox| {
        vec![sandbox.spawn(&["watch", "--builder", "fake", "--quiet-period", "5ms"])]
    });
}

#[test]
fn a_clean_beside_a_build_ends_at_each_signal_and_takes_nothing_that_is_needed() {
    at_50_moments(0x8cb9_2ba7_2f3d_8dd7, &[0], |sandbox| {
        vec![sandbox.spawn(&BUILD), sandbox.spawn(&["clean"])]
    });
}

/// An unfinished file used to stay.
#[test]
fn a_signal_while_images_are_written_leaves_no_part_of_a_file() {
    no_signal_is_ignored_from_the_start();
    let registry = Registry::new();
    let content = layer(&[("etc/hosts", b"localhost")]);
    let base = registry.image("team/base", std::slice::from_ref(&content));
    let manifest = format!(
        "image \"app\" {{ builder \"oci\"; platform \"linux/amd64\"; base-image \"{base}\"; env A=\"1\" }}\n"
    );
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]).env("IMGSPEC_GRACE", "1s");
    std::fs::create_dir(sandbox.path("out")).unwrap();
    sandbox.run(&["graph", "build"]).success();
    // Its layer has to be fetched, and never comes.
    let content = digest(&content);
    let blobs = sandbox
        .root()
        .join("../home/.cache/imgspec/images/blobs/sha256");
    let _ = std::fs::remove_file(blobs.join(content.trim_start_matches("sha256:")));
    registry.asked();
    let slow = content.clone();
    registry.faults(move |_, path| {
        let is_it = path.contains(&slow);
        is_it.then_some(Fault::Late(Duration::from_mins(1)))
    });
    let mut child = sandbox.spawn(&["graph", "build", "--output", "tar:out/app.tar"]);
    registry.until(&format!("GET /v2/team/base/blobs/{content}"));
    send(&child, Signal::INT);
    let status = ends(&mut child, "writing");
    let left: Vec<_> = std::fs::read_dir(sandbox.path("out")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(status.code(), Some(130));
}

/// It used to be a failure of Docker, with exit code 2.
#[test]
fn a_signal_while_images_are_loaded_is_an_interrupt() {
    no_signal_is_ignored_from_the_start();
    let manifest = "image \"app\" { builder \"oci\"; base-image \"scratch\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]);
    sandbox.run(&["graph", "build"]).success();
    let socket = sandbox.path("docker.sock");
    let server = Server::unix(&socket, |_| Answer::Nothing);
    let sandbox = sandbox.env("DOCKER_HOST", &format!("unix://{}", socket.display()));
    let mut child = sandbox.spawn(&["graph", "build", "--load"]);
    let begun = Instant::now();
    while server.asked().is_empty() {
        assert!(begun.elapsed() < GRACE, "nobody asks");
        std::thread::sleep(Duration::from_millis(2));
    }
    send(&child, Signal::TERM);
    let status = ends(&mut child, "loading");
    let said = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(status.code(), Some(143), "{said}");
    assert!(!said.contains("cannot be brought"), "{said}");
}
