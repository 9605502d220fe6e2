//! Files, directories and symlinks that are swapped while they are read: nothing outside the workspace ever gets in.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::bounded;
use crate::faults::CANARY;
use crate::sandbox::Sandbox;
use crate::watch::Watch;

const MANIFEST: &str = r#"
image "folder" { base-image "scratch"; copy "src" to="/src" }
image "file" { base-image "scratch"; copy "one/f" to="/f" }
image "list" { requirements "reqs/r.txt" }
image "docker" { dockerfile "docker/Dockerfile" context="docker" }
image "fly" { flytekit "1.16.31"; source-copy-mode "all"; source-root "fly" }
"#;

/// A name in the workspace, and what it is swapped with in `trap`: a symlink to the corresponding entry outside, or
/// something of another kind.
const SWAPS: [(&str, &str); 12] = [
    ("src/pkg/f", "file-out"),
    ("src/pkg", "pkg-out"),
    ("src", "src-out"),
    ("src/pkg/g", "folder"),
    ("one/f", "file-out-too"),
    ("one", "pkg-out-too"),
    ("reqs/r.txt", "list-out"),
    ("reqs", "reqs-out"),
    (".dockerignore", "rules-out"),
    ("docker/sub", "sub-out"),
    ("fly/pkg", "fly-out"),
    ("fly/pkg/f", "fly-file-out"),
];

/// A workspace in which every file has a counterpart outside, of the same size, that must never be seen.
struct Stage {
    sandbox: Sandbox,
    /// Holds the directory that the symlinks point into.
    _outside: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let inside = "x".repeat(CANARY.len());
        let requirements = format!("# {inside}\n");
        let files = [
            ("imgspec.kdl", MANIFEST),
            ("src/pkg/f", &inside),
            ("src/pkg/g", &inside),
            ("one/f", &inside),
            ("reqs/r.txt", &requirements),
            (".dockerignore", "nothing\n"),
            ("docker/Dockerfile", "FROM scratch\n"),
            ("docker/sub/f", &inside),
            ("fly/pkg/f", &inside),
            ("trap/folder/f", &inside),
        ];
        let sandbox = Sandbox::with(&files).without(CANARY);
        let received = sandbox.path("../received").display().to_string();
        let sandbox = sandbox.env("IMGSPEC_FAKE_RECEIVED", &received);
        let outside = tempfile::tempdir().unwrap();
        let at = |path: &str| outside.path().join(path);
        for folder in ["src/pkg", "pkg", "reqs"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let secrets = ["src/pkg/f", "src/pkg/g", "pkg/f", "pkg/g"];
        for path in secrets {
            fs::write(at(path), CANARY).unwrap();
        }
        // Its name reveals as much as its content.
        fs::write(at("pkg").join(CANARY), CANARY).unwrap();
        fs::write(at("reqs/r.txt"), format!("# {CANARY}\n")).unwrap();
        for (_, trap) in SWAPS {
            let to = match trap {
                "folder" => continue,
                "src-out" => "src",
                "reqs-out" => "reqs",
                "list-out" | "rules-out" => "reqs/r.txt",
                trap if trap.contains("file") => "pkg/f",
                _ => "pkg",
            };
            symlink(at(to), sandbox.path("trap").join(trap)).unwrap();
        }
        Self {
            sandbox,
            _outside: outside,
        }
    }

    fn hand(&self) -> Hand {
        Hand::new(&self.sandbox.root())
    }
}

/// Swaps until it is stopped, then restores everything.
struct Hand {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Hand {
    fn new(root: &Path) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let swaps = Arc::new(AtomicUsize::new(0));
        let pairs: Vec<(PathBuf, PathBuf)> = SWAPS
            .iter()
            .map(|(name, trap)| (root.join(name), root.join("trap").join(trap)))
            .collect();
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&swaps));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (a, b) in &pairs {
                    // A few fast swaps back and forth: between two system calls of the program.
                    for _ in 0..20 {
                        exchange(a, b);
                        exchange(a, b);
                        count.fetch_add(2, Ordering::Relaxed);
                    }
                    // Sometimes for as long as it takes to read a file.
                    exchange(a, b);
                    std::thread::sleep(Duration::from_micros(200));
                    exchange(a, b);
                }
            }
        });
        Self {
            stop,
            swaps,
            thread: Some(thread),
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
        assert!(self.swaps.load(Ordering::Relaxed) > 100 || std::thread::panicking());
    }
}

fn exchange(a: &Path, b: &Path) {
    renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)
        .unwrap_or_else(|error| panic!("{} {}: {error}", a.display(), b.display()));
}

/// Everything is restored: all images are built, and nothing is left to do.
fn comes_to_rest(sandbox: &Sandbox) {
    sandbox.build(&[]).success();
    let plan = sandbox.plan(&[]);
    assert!(plan.iter().all(|line| line.ends_with(" fresh")), "{plan:?}");
}

#[test]
fn what_is_swapped_while_it_is_hashed_and_sent_never_leads_outside() {
    let stage = Stage::new();
    let sandbox = &stage.sandbox;
    let hand = stage.hand();
    let begun = Instant::now();
    let mut built = 0;
    let mut round = 0;
    while begun.elapsed() < Duration::from_secs(6) {
        round += 1;
        let to = format!("../out{round}");
        let commands: [&[&str]; 4] = [
            &["graph", "build", "--builder", "fake", "--force"],
            &["explain", "folder"],
            &["check"],
            &["render", "folder", "--builder", "fake", "-o", &to],
        ];
        for command in commands {
            let ran = bounded(sandbox, command);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!said.contains(CANARY), "{command:?}: {said}");
            assert!(matches!(ran.code, Some(0..=2)), "{command:?}: {said}");
            built += usize::from(ran.code == Some(0));
        }
    }
    drop(hand);
    println!("{round} rounds, {built} commands succeeded");
    comes_to_rest(sandbox);
    assert!(sandbox.path("../received").exists());
}

#[test]
fn what_is_swapped_while_it_is_watched_never_leads_outside() {
    for more in [&[][..], &["--poll=0.05"]] {
        let stage = Stage::new();
        let sandbox = &stage.sandbox;
        let mut watch = Watch::settled(sandbox, more);
        let hand = stage.hand();
        std::thread::sleep(Duration::from_secs(2));
        drop(hand);
        // Whatever it saw last, it now sees the current state.
        sandbox.write("one/f", "last");
        watch.until("watch-waiting");
        let heard = watch.stop();
        let heard: Vec<String> = heard.iter().map(ToString::to_string).collect();
        assert!(!heard.iter().any(|event| event.contains(CANARY)));
        comes_to_rest(sandbox);
    }
}
