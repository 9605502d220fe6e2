//! Measures the time from the end of a save until the builder starts, and the cost of an idle watch.
//!
//! Run with `cargo bench --bench watch`. Needs only files: builds use the `fake` backend, which copies what a builder
//! would be sent and takes no time itself, so that the watch is what is measured. Prints medians and 95th percentiles
//! together with targets, and asserts nothing. The real binary is timed from outside, by its JSON events, minus the
//! quiet period, which includes the pipe. The time ends with the builder's first line of output, when all its input
//! files are in place, rather than with the announcement before it.

mod large;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_millis(80);

fn main() {
    // `cargo test --benches` only checks that this starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let small = folder.path().join("small");
    example(&small);
    let all = Edits {
        what: "files of all images in turn",
        of: "",
        are_read: false,
        rounds: 150,
    };
    measure("the example of 12 images", &small, 40.0, &[all]);
    let large = folder.path().join("large");
    large::write(&large, "");
    let most = Edits {
        what: "files of the root of 163 images, which are all affected",
        of: "src/i0/",
        are_read: true,
        rounds: 10,
    };
    let one = Edits {
        what: "files of one image, repeatedly",
        of: "src/i80/",
        are_read: true,
        rounds: 40,
    };
    let all = Edits {
        are_read: true,
        rounds: 100,
        ..all
    };
    measure("170 images, 50,000 files", &large, 150.0, &[all, one, most]);
}

/// Which files are edited.
#[derive(Clone, Copy)]
struct Edits {
    what: &'static str,
    /// Prefix of the files' paths, relative to the workspace root.
    of: &'static str,
    /// Whether all of them are in an image; otherwise each is tried first.
    are_read: bool,
    rounds: usize,
}

/// Copies the example of twelve images.
fn example(root: &Path) {
    copy_folder(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monorepo"),
        root,
    );
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == ".imgspec" {
            continue;
        }
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}

struct Watch {
    child: Child,
    events: Receiver<(Instant, serde_json::Value)>,
}

impl Watch {
    fn start(root: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_imgspec"))
            .args(["watch", "--builder", "fake", "--progress", "json"])
            .current_dir(root)
            .env("IMGSPEC_FAKE_SECONDS", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = (Instant::now(), serde_json::from_str(&line).expect("JSON"));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, events }
    }

    /// The number of images affected by the next file change.
    fn woken(&self) -> usize {
        loop {
            let (_, event) = self.events.recv().expect("it runs");
            if event["event"] == "files-changed" {
                return event["images"].as_array().map_or(0, Vec::len);
            }
        }
    }

    /// The time of the next event of this kind.
    fn until(&self, kind: &str) -> Instant {
        loop {
            let (at, event) = self.events.recv().expect("it runs");
            if event["event"] == kind {
                return at;
            }
        }
    }
}

impl Watch {
    /// Waits for a wave to start and end. Returns false if none comes.
    fn settles(&self) -> bool {
        while let Ok((_, event)) = self.events.recv_timeout(Duration::from_secs(1)) {
            if event["event"] == "files-changed" {
                self.until("watch-waiting");
                return true;
            }
        }
        false
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measure(what: &str, root: &Path, limit: f64, edits: &[Edits]) {
    // Files written right before they are read are read again at the next look, which does not happen in practice.
    std::thread::sleep(Duration::from_secs(4));
    let started = Instant::now();
    let watch = Watch::start(root);
    watch.until("watch-waiting");
    println!(
        "{what}: all built and watched after {:.1} s",
        started.elapsed().as_secs_f64()
    );
    std::thread::sleep(Duration::from_secs(4));
    idle(what, watch.child.id());
    for edits in edits {
        edit(what, root, limit, &watch, edits);
    }
}

fn edit(what: &str, root: &Path, limit: f64, watch: &Watch, edits: &Edits) {
    let files = sources(&root.join(edits.of));
    let step = (files.len() / edits.rounds.min(85)).max(1);
    let mut files: Vec<PathBuf> = files.into_iter().step_by(step).collect();
    files.retain(|file| edits.are_read || wakes(watch, file));
    assert!(!files.is_empty(), "some file belongs to an image");
    let (mut told, mut begun, mut woken) = (Vec::new(), Vec::new(), 0);
    for round in 0..edits.rounds {
        let file = &files[round * 37 % files.len()];
        std::fs::write(file, format!("# edit {} {round}\n", edits.what).repeat(40))
            .expect("a file");
        let saved = Instant::now();
        let since = |at: Instant| {
            at.saturating_duration_since(saved)
                .saturating_sub(QUIET)
                .as_secs_f64()
                * 1000.0
        };
        woken = woken.max(watch.woken());
        told.push(since(watch.until("image-started")));
        begun.push(since(watch.until("image-log")));
        watch.until("watch-waiting");
    }
    let edited = format!("{what}: {}, at most {woken} images affected", edits.what);
    println!("{edited}: from save to builder start, not counting the quiet period");
    report("  to the builder's first output", begun, Some(limit));
    report("  of which to the start event", told, None);
}

/// All Python files below a directory, sorted by path.
fn sources(root: &Path) -> Vec<PathBuf> {
    let (mut ahead, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with(".imgspec") {
                ahead.push(path);
            } else if path.extension().is_some_and(|ending| ending == "py") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Whether changing this file affects an image.
fn wakes(watch: &Watch, file: &Path) -> bool {
    let text = std::fs::read_to_string(file).expect("a text");
    std::fs::write(file, format!("{text}# tried\n")).expect("a file");
    watch.settles()
}

fn report(what: &str, mut times: Vec<f64>, limit: Option<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    let (median, high, most) = (at(50), at(95), at(100));
    let beside = limit.map_or(String::new(), |limit| {
        format!(" ({:.2} of the limit of {limit} ms)", high / limit)
    });
    println!("{what}: median {median:.1} ms, p95 {high:.1} ms, max {most:.1} ms{beside}");
}

/// CPU time and memory of an idle watch.
fn idle(what: &str, pid: u32) {
    let Some(before) = ticks(pid) else { return };
    std::thread::sleep(Duration::from_secs(5));
    let used = ticks(pid).unwrap_or(before) - before;
    let memory = resident(pid).unwrap_or_default();
    println!(
        "{what}: idle, {used} ticks of CPU time in 5 s, {memory} MiB of memory (limit 60 MiB)"
    );
}

fn ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

fn resident(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
