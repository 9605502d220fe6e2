//! The process that sandboxes are forked from: whose end ends whom, and that nothing gets from one sandbox into another one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::sandbox::{self, SandboxError};
use super::stage::{Stage, builder, children, everyone, has_ended, is_root, told_to_builder};

everyone!(
    a_killed_nursery_is_replaced,
    a_nursery_that_does_not_answer_is_replaced,
    the_end_of_the_nursery_ends_its_sandboxes,
    an_idle_nursery_ends_with_its_builder,
    nothing_is_left_when_it_is_told_to_end,
    sandboxes_that_ended_leave_no_process,
    many_sandboxes_at_once_of_many_threads,
    a_sandbox_does_not_hold_the_end_of_another_one,
    open_files_of_who_started_the_builder_are_not_there,
    a_sandbox_has_no_handle_of_another_one,
    a_nursery_is_not_started_by_hand,
);

/// Goes on in a builder of its own, whose nursery no other test uses, with what it was told. In the test itself says how that builder
/// ended.
fn in_a_builder(stage: &mut Stage, run: fn(&mut Stage)) {
    if told_to_builder().is_some() {
        return run(stage);
    }
    let ran = builder(stage, "run").output().unwrap();
    let told =
        String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
}

/// The nursery of this process.
#[track_caller]
fn nursery() -> u32 {
    let found = children(std::process::id());
    assert_eq!(found.len(), 1, "it has one child: {found:?}");
    found[0]
}

fn send(process: u32, signal: Signal) {
    let pid = Pid::from_raw(process.cast_signed()).unwrap();
    kill_process(pid, signal).unwrap();
}

fn a_killed_nursery_is_replaced(stage: &mut Stage) {
    in_a_builder(stage, |stage| {
        stage.sh("true").ok();
        for _ in 0..5 {
            let first = nursery();
            send(first, Signal::KILL);
            // At once, when it may not have died yet, and afterwards.
            stage.sh("true").ok();
            assert_ne!(nursery(), first);
            stage.sh("true").ok();
        }
    });
}

fn a_nursery_that_does_not_answer_is_replaced(stage: &mut Stage) {
    in_a_builder(stage, |stage| {
        stage.sh("true").ok();
        let first = nursery();
        send(first, Signal::STOP);
        stage.sh("true").ok();
        assert_ne!(nursery(), first);
        assert!(has_ended(first));
    });
}

fn the_end_of_the_nursery_ends_its_sandboxes(stage: &mut Stage) {
    in_a_builder(stage, |stage| {
        let argv = [
            "/bin/sh",
            "-c",
            "trap '' INT TERM HUP; setsid sleep 1000 & echo ready; sleep 1000",
        ];
        let (mut first, mut killed) = (0, None);
        let ended = stage.run_until(&argv, &crate::cancel::Cancel::default(), &mut |_, _| {
            first = children(nursery())[0];
            killed = Some(Instant::now());
            send(nursery(), Signal::KILL);
        });
        assert!(matches!(ended, Err(SandboxError::Lost)), "{ended:?}");
        assert!(killed.unwrap().elapsed() < Duration::from_secs(2));
        assert!(first != 0 && has_ended(first));
        assert_eq!(stage.sh("echo again").ok(), "again");
    });
}

fn an_idle_nursery_ends_with_its_builder(stage: &mut Stage) {
    if told_to_builder().is_some() {
        stage.sh("true").ok();
        println!("nursery {}", nursery());
        std::thread::sleep(Duration::from_secs(1000));
        unreachable!("it is killed");
    }
    let mut builder = builder(stage, "run")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(builder.stdout.take().unwrap()).lines();
    let nursery = lines.map_while(Result::ok).find_map(|line| {
        let (_, number) = line.split_once("nursery ")?;
        number.parse::<u32>().ok()
    });
    let nursery = nursery.unwrap();
    assert_eq!(children(builder.id()), [nursery]);
    builder.kill().unwrap();
    builder.wait().unwrap();
    assert!(has_ended(nursery));
}

fn nothing_is_left_when_it_is_told_to_end(stage: &mut Stage) {
    in_a_builder(stage, |stage| {
        sandbox::end();
        stage.sh("true").ok();
        let first = nursery();
        sandbox::end();
        assert!(!fs::exists(format!("/proc/{first}")).unwrap());
        assert_eq!(children(std::process::id()), [0; 0]);
        // Who needs one later gets another one.
        stage.sh("true").ok();
    });
}

fn sandboxes_that_ended_leave_no_process(stage: &mut Stage) {
    in_a_builder(stage, |stage| {
        for script in ["true", "exit 3", "kill -9 $$", "setsid sleep 1000 & true"] {
            stage.sh(script);
        }
        stage.run(&["/bin/nothing"]).unwrap_err();
        // With the next one, at the latest, it has taken in all others, which are no zombies then.
        stage.sh("true").ok();
        let until = Instant::now() + Duration::from_secs(1);
        let tasks = format!("/proc/{0}/task/{0}/children", nursery());
        let left = || fs::read_to_string(&tasks).unwrap();
        while !left().is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(left(), "");
    });
}

fn many_sandboxes_at_once_of_many_threads(stage: &mut Stage) {
    const THREADS: usize = 16;
    const RUNS: usize = 20;
    let stage = &*stage;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for run in 0..RUNS {
                    let script = format!("echo {thread}; echo {run} > /new");
                    let ran = stage.sh(&script);
                    assert_eq!(ran.ok(), thread.to_string());
                    let new = fs::read_to_string(ran.upper.join("new")).unwrap();
                    assert_eq!(new, format!("{run}\n"));
                }
            });
        }
    });
}

fn a_sandbox_does_not_hold_the_end_of_another_one(stage: &mut Stage) {
    let stage = &*stage;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let started = Instant::now();
            stage.sh("sleep 1").ok();
            // While those that were started after it go on.
            assert!(started.elapsed() < Duration::from_secs(3));
        });
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(200));
            scope.spawn(|| stage.sh("sleep 4").ok().to_owned());
        }
    });
}

fn open_files_of_who_started_the_builder_are_not_there(stage: &mut Stage) {
    in_a_builder(stage, |stage| {
        let path = stage.path("open");
        let file = fs::File::create(&path).unwrap();
        // Before there is a nursery, which inherits it, as it does a shell's `5<file`.
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        // Until it is `sleep`, it is a shell that is about to become it, and has handles for that.
        let ran = stage.sh(
            "ls /proc/self/fd | tr '\\n' ' '; sleep 1000 & \
             until [ \"$(cat /proc/$!/comm)\" = sleep ]; do :; done; ls /proc/$!/fd | tr '\\n' ' '",
        );
        assert_eq!(ran.ok(), "0 1 2 3 0 1 2");
        // Nor has the nursery it.
        let files = fs::read_dir(format!("/proc/{}/fd", nursery())).unwrap();
        let leads = files.map(|it| fs::read_link(it.unwrap().path()).unwrap_or_default());
        assert!(!leads.into_iter().any(|it| it == path));
    });
}

fn a_sandbox_has_no_handle_of_another_one(stage: &mut Stage) {
    in_a_builder(stage, |stage| {
        let stage = &*stage;
        stage.sh("true").ok();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| stage.sh("sleep 2").ok().to_owned());
            }
            std::thread::sleep(Duration::from_secs(1));
            let found = children(nursery());
            assert_eq!(found.len(), 3);
            for process in found {
                // Only root sees them: they are hidden from their own user.
                let files = fs::read_dir(format!("/proc/{process}/fd"));
                assert_eq!(files.is_ok(), is_root());
                let leads = files.into_iter().flatten();
                let leads = leads.map(|it| fs::read_link(it.unwrap().path()).unwrap());
                let handles = leads.filter(|it| it.to_string_lossy().contains("pidfd"));
                // Its own one, of the nursery.
                assert_eq!(handles.count(), usize::from(is_root()));
            }
        });
    });
}

fn a_nursery_is_not_started_by_hand(stage: &mut Stage) {
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_imgspec"))
        .arg("__nursery")
        .current_dir(stage.path("."))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{told}");
    assert!(
        told.starts_with("error: sandboxes cannot be started by hand"),
        "{told}"
    );
}
