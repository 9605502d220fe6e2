//! How a program ends, and that nothing of it is left: statuses, signals, cancels, limits, the builder's death.

use std::fs;
use std::time::{Duration, Instant};

use super::sandbox::{SandboxError, Status};
use super::stage::{Stage, builder, everyone, told_to_builder};
use crate::cancel::Cancel;
use crate::process::Stream;

everyone!(
    the_status_or_signal_is_told,
    a_program_that_is_not_there_is_told,
    a_directory_that_is_not_there_is_told,
    output_comes_as_it_is_printed,
    much_output_is_passed_on,
    a_cancel_ends_it_at_once,
    the_death_of_the_builder_ends_it,
    what_it_left_running_ends_with_it,
    more_processes_than_allowed_are_refused,
    a_file_of_more_than_allowed_is_refused,
    a_disk_that_fills_up_ends_it,
    open_files_are_limited,
    cores_are_not_written,
);

fn the_status_or_signal_is_told(stage: &mut Stage) {
    assert_eq!(stage.sh("exit 7").status, Status::Code(7));
    assert_eq!(stage.sh("kill -11 $$").status, Status::Signal(11));
    assert_eq!(stage.sh("kill -9 $$").status, Status::Signal(9));
    // The first process of a namespace is not to be ended from inside.
    assert_eq!(
        stage.sh("kill -9 1; kill -15 1; exit 3").status,
        Status::Code(3)
    );
}

fn a_program_that_is_not_there_is_told(stage: &mut Stage) {
    let error = stage.run(&["/bin/nothing"]).unwrap_err();
    assert!(
        matches!(&error, SandboxError::NotStarted(it) if it.errno == Some(2)),
        "{error}"
    );
    assert!(
        error.to_string().starts_with("cannot start /bin/nothing: "),
        "{error}"
    );
}

fn a_directory_that_is_not_there_is_told(stage: &mut Stage) {
    stage.cwd = "/nowhere".into();
    let error = stage.run(&["/bin/true"]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot enter the directory /nowhere: "),
        "{error}"
    );
}

fn output_comes_as_it_is_printed(stage: &mut Stage) {
    let mut heard = Vec::new();
    let started = Instant::now();
    let argv = ["/bin/sh", "-c", "echo first; sleep 1; echo second >&2"];
    let mut hear =
        |stream: Stream, bytes: &[u8]| heard.push((stream, bytes.to_vec(), started.elapsed()));
    stage
        .run_until(&argv, &Cancel::default(), &mut hear)
        .unwrap();
    assert_eq!(
        (heard[0].0, &heard[0].1[..]),
        (Stream::Out, &b"first\n"[..])
    );
    assert_eq!(
        (heard[1].0, &heard[1].1[..]),
        (Stream::Err, &b"second\n"[..])
    );
    assert!(heard[1].2.saturating_sub(heard[0].2) > Duration::from_millis(700));
}

fn much_output_is_passed_on(stage: &mut Stage) {
    let mut longest = 0;
    let mut all = 0;
    let mut hear = |_: Stream, bytes: &[u8]| {
        longest = longest.max(bytes.len());
        all += bytes.len();
    };
    let argv = ["/usr/bin/head", "-c", "50000000", "/dev/zero"];
    stage
        .run_until(&argv, &Cancel::default(), &mut hear)
        .unwrap();
    assert_eq!(all, 50_000_000);
    assert!(longest <= 64 << 10);
}

fn a_cancel_ends_it_at_once(stage: &mut Stage) {
    let cancel = Cancel::default();
    let argv = [
        "/bin/sh",
        "-c",
        "trap '' INT TERM HUP; setsid sleep 1000 & echo ready; sleep 1000",
    ];
    let mut asked = None;
    let ended = stage.run_until(&argv, &cancel, &mut |_, _| {
        cancel.request();
        asked.get_or_insert_with(Instant::now);
    });
    assert!(matches!(ended, Err(SandboxError::Cancelled)), "{ended:?}");
    assert!(asked.unwrap().elapsed() < Duration::from_secs(2));
}

fn the_death_of_the_builder_ends_it(stage: &mut Stage) {
    if let Some(cache) = told_to_builder() {
        stage.mounts.push(super::sandbox::Mount::Cache {
            directory: cache.into(),
            target: "/cache".into(),
        });
        // Appended: a file that is written anew is empty for a moment, and that may be the last one.
        stage.sh("trap '' INT TERM HUP; while :; do echo >> /cache/beat; sleep 0.02; done");
        unreachable!("it is killed");
    }
    let cache = stage.path("cache");
    fs::create_dir(&cache).unwrap();
    let mut builder = builder(stage, &cache).spawn().unwrap();
    let beat = || fs::read_to_string(cache.join("beat")).unwrap_or_default();
    let until = Instant::now() + Duration::from_secs(30);
    while beat().is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    builder.kill().unwrap();
    builder.wait().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let last = beat();
    std::thread::sleep(Duration::from_millis(500));
    assert!(!last.is_empty());
    assert_eq!(beat(), last);
}

fn what_it_left_running_ends_with_it(stage: &mut Stage) {
    let started = Instant::now();
    let ran = stage.sh(
        "cd /; perl -MPOSIX -e 'for (1..20) { next if fork; setsid; exit if fork; while (1) { sleep 1 } }'; \
         (setsid sh -c 'while :; do date > /beat; sleep 0.05; done' > /dev/null 2>&1 &); sleep 0.3; echo done",
    );
    assert_eq!(ran.ok(), "done");
    assert!(started.elapsed() < Duration::from_secs(20));
    let beat = || {
        fs::metadata(ran.upper.join("beat"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let last = beat();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(beat(), last);
}

fn more_processes_than_allowed_are_refused(stage: &mut Stage) {
    stage.bounds.processes = 301;
    let ran = stage.sh(
        "perl -e '$n = 0; while ($n < 2000) { $pid = fork; last unless defined $pid; if (!$pid) { sleep 100; exit } $n++ } print $n'",
    );
    let count: u32 = ran.ok().parse().unwrap();
    assert!((10..=301).contains(&count), "{count} processes");
}

fn a_file_of_more_than_allowed_is_refused(stage: &mut Stage) {
    stage.bounds.file_size = Some(1 << 20);
    let ran = stage.sh("! head -c 2000000 /dev/zero > /big 2>/dev/null; stat -c %s /big");
    assert_eq!(ran.ok(), "1048576");
}

fn a_disk_that_fills_up_ends_it(stage: &mut Stage) {
    // More than any disk has: it is full from the start.
    stage.bounds.reserve = 1 << 60;
    let started = Instant::now();
    let error = stage.run(&["/bin/sleep", "1000"]).unwrap_err();
    assert!(matches!(error, SandboxError::DiskFull(_)), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

fn open_files_are_limited(stage: &mut Stage) {
    stage.bounds.files = 77;
    assert_eq!(stage.sh("ulimit -n; ulimit -Hn").ok(), "77\n77");
}

fn cores_are_not_written(stage: &mut Stage) {
    let ran = stage.sh("cd /tmp; sh -c 'kill -SEGV $$' || true; ls");
    assert_eq!(ran.ok(), "");
    assert!(!fs::exists(ran.upper.join("tmp/core")).unwrap());
}
