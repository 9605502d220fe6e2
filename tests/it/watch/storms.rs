//! Storms of events: branch switches, bursts of writes, lost events.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Watch, all_fresh, signal, stack};
use crate::sandbox::{Ran, Sandbox};

fn git(sandbox: &Sandbox, arguments: &[&str]) {
    ask_git(sandbox, arguments).success();
}

fn ask_git(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let mut command = Command::new("git");
    command.args([
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.com",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "gc.auto=0",
    ]);
    command.args(arguments).current_dir(sandbox.root());
    command
        .env("HOME", sandbox.root())
        .env("GIT_CONFIG_NOSYSTEM", "1");
    Ran::of(&mut command)
}

/// Seen in compose#13136 and skaffold#4647.
#[test]
fn a_branch_switch_of_5000_files_is_one_wave() {
    let sandbox = stack();
    for at in 0..5000 {
        sandbox.write(&format!("base/m{}/f{at}", at % 40), "one");
    }
    git(&sandbox, &["init", "-q", "-b", "one"]);
    sandbox.write(".gitignore", ".imgspec\n.gitconfig\n");
    git(&sandbox, &["add", "-A"]);
    git(&sandbox, &["commit", "-qm", "one"]);
    git(&sandbox, &["checkout", "-qb", "two"]);
    for at in 0..5000 {
        sandbox.write(&format!("base/m{}/f{at}", at % 40), "two, and longer");
    }
    git(&sandbox, &["commit", "-qam", "two"]);
    let mut watch = Watch::settled(&sandbox, &[]);
    git(&sandbox, &["checkout", "-q", "one"]);
    let wave = watch.wave();
    assert_eq!(wave.built(), ["app", "base"]);
    assert_eq!(
        (
            wave.count("run-started"),
            wave.count("run-finished"),
            wave.count("image-superseded")
        ),
        (1, 1, 0),
        "{}",
        watch.story()
    );
    let changed = wave
        .0
        .iter()
        .find(|event| event["event"] == "files-changed")
        .unwrap();
    assert_eq!(changed["count"], 5000);
    watch.stays_still();
    // Switching back and forth: everything is found again.
    git(&sandbox, &["checkout", "-q", "two"]);
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.images("image-fresh").len()),
        (vec![], 2)
    );
    all_fresh(&sandbox);
}

/// Seen in compose#13136 and skaffold#4647.
#[test]
fn nothing_is_looked_at_while_git_holds_its_lock() {
    let sandbox = stack();
    git(&sandbox, &["init", "-q"]);
    let mut watch = Watch::settled(&sandbox, &[]);
    fs::write(sandbox.path(".git/index.lock"), "").unwrap();
    sandbox.write("other/x", "2");
    watch.stays_still();
    let held = watch.until("watch-held");
    assert!(held["why"].as_str().unwrap().contains("git is running"));
    fs::remove_file(sandbox.path(".git/index.lock")).unwrap();
    assert_eq!(watch.wave().built(), ["other"]);
}

/// Seen in compose#13136 and skaffold#4647.
#[test]
fn nothing_is_looked_at_inside_a_merge_until_it_is_committed() {
    let sandbox = stack();
    sandbox.write(".gitignore", ".imgspec\n");
    git(&sandbox, &["init", "-q", "-b", "one"]);
    git(&sandbox, &["add", "-A"]);
    git(&sandbox, &["commit", "-qm", "one"]);
    git(&sandbox, &["checkout", "-qb", "two"]);
    sandbox.write("other/x", "of two");
    git(&sandbox, &["commit", "-qam", "two"]);
    git(&sandbox, &["checkout", "-q", "one"]);
    sandbox.write("other/x", "of one");
    git(&sandbox, &["commit", "-qam", "one again"]);
    let mut watch = Watch::settled(&sandbox, &[]);
    // It leaves conflict markers in the file, which nobody wants built.
    assert_eq!(ask_git(&sandbox, &["merge", "-q", "two"]).code, Some(1));
    let held = watch.until("watch-held");
    assert!(held["why"].as_str().unwrap().contains("merge"), "{held}");
    sandbox.write("other/x", "of both");
    watch.stays_still();
    git(&sandbox, &["commit", "-qam", "merged"]);
    let wave = watch.wave();
    assert_eq!(
        (wave.built(), wave.count("image-started")),
        (vec!["other".to_owned()], 1)
    );
    all_fresh(&sandbox);
}

/// Seen in compose#13136 and skaffold#4647.
#[test]
fn files_that_are_written_without_end_are_looked_at_meanwhile() {
    let sandbox = stack();
    let mut watch = Watch::settled(&sandbox, &["--quiet-period", "500ms"]);
    let (start, is_seen) = (Instant::now(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded, so that a failing test ends.
            for round in 0.. {
                if is_seen.load(Ordering::Relaxed) || start.elapsed() > Duration::from_secs(30) {
                    return;
                }
                sandbox.write("other/x", &format!("{round}"));
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        watch.until("files-changed");
        is_seen.store(true, Ordering::Relaxed);
    });
    assert!(start.elapsed() < Duration::from_secs(25), "{start:?}");
    watch.until("watch-waiting");
    all_fresh(&sandbox);
}

/// The peak memory of a process, in MiB.
fn peak(pid: u32) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

/// Seen in tilt#3556.
#[test]
fn a_burst_of_60000_writes_is_one_wave_in_bounded_memory() {
    let sandbox = stack();
    // Long enough for a busy machine to read the whole queue before the quiet period ends.
    let mut watch = Watch::settled(&sandbox, &["--quiet-period", "500ms"]);
    let before = peak(watch.pid());
    // Written in place: a file system may take time to free the blocks of a truncated file.
    let file = |at| fs::File::create(sandbox.path(&format!("other/f{at}"))).unwrap();
    let files: Vec<fs::File> = (0..600).map(file).collect();
    for round in 0..100 {
        for file in &files {
            file.write_at(format!("{round:02}").as_bytes(), 0).unwrap();
        }
    }
    drop(files);
    let wave = watch.wave();
    assert!(
        wave.built().iter().all(|image| image == "other"),
        "{wave:?}"
    );
    assert_eq!(
        (wave.count("run-started"), wave.count("run-finished")),
        (1, 1)
    );
    watch.stays_still();
    if let (Some(before), Some(after)) = (before, peak(watch.pid())) {
        assert!(after < before + 40, "{before} MiB, then {after} MiB");
    }
    all_fresh(&sandbox);
}

/// Seen in tilt#3556.
#[test]
fn events_that_were_lost_lead_to_one_full_look() {
    let sandbox = stack();
    // Long enough for a busy machine to read the whole queue before the quiet period ends.
    let mut watch = Watch::settled(&sandbox, &["--quiet-period", "500ms"]);
    // While stopped, it cannot read the queue, which overflows: all later events are lost.
    signal(watch.pid(), rustix::process::Signal::STOP);
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").ok();
    let limit: usize = limit
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(16384);
    let file = |name| fs::File::create(sandbox.path(name)).unwrap();
    let files = [file("other/a"), file("other/b")];
    for round in 0..limit {
        // Alternating, because equal consecutive events are merged.
        files[round % 2]
            .write_at(round.to_string().as_bytes(), 0)
            .unwrap();
    }
    sandbox.write("base/lost/x", "nobody heard of it");
    sandbox.write("app/x", "nor of this");
    signal(watch.pid(), rustix::process::Signal::CONT);
    let wave = watch.wave();
    assert_eq!(wave.built(), ["app", "base", "other"], "{wave:?}");
    assert_eq!(wave.count("files-changed"), 1, "{wave:?}");
    watch.stays_still();
    sandbox.write(
        "base/lost/x",
        "in a directory that came while events were lost",
    );
    assert_eq!(watch.wave().built(), ["app", "base"]);
}
