//! A state directory that is damaged, full, read-only or replaced: nothing outside is touched, and the next run is
//! correct.

mod index;
pub(crate) mod surroundings;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::faults::guarded;
use crate::sandbox::{Ran, Sandbox};
use crate::watch::{Watch, signal};

const IMAGE: &str = "image \"a\" { base-image \"scratch\"; copy \"f\" to=\"/f\" }\n";

const HELP: &str = "imgspec keeps its state in directories and files of its own; remove it";

const PLAN: &[&str] = &["graph", "plan", "--builder", "fake"];
const BUILD: &[&str] = &["graph", "build", "--builder", "fake"];
const WATCH: &[&str] = &["watch", "--builder", "fake"];

/// A workspace with one image, next to a foreign directory that has files with the same names as in the state
/// directory.
struct Place {
    sandbox: Sandbox,
    outside: PathBuf,
}

impl Place {
    fn new() -> Self {
        let sandbox = guarded(&[("imgspec.kdl", IMAGE), ("f", "1")]);
        let outside = sandbox.root().with_file_name("outside");
        for name in [
            "a.log",
            "old.json",
            "a.lock",
            "a~0",
            "inputs/old.0.json",
            "x/y",
        ] {
            let path = outside.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "mine").unwrap();
        }
        Self { sandbox, outside }
    }

    fn built() -> Self {
        let place = Self::new();
        place.sandbox.build(&[]).success();
        place
    }

    fn at(&self, path: &str) -> PathBuf {
        let state = self.sandbox.path(".imgspec");
        if path.is_empty() {
            state
        } else {
            state.join(path)
        }
    }

    /// Replaces a file or directory of the state by something else.
    fn put(&self, path: &str, other: Other) {
        let at = self.at(path);
        let _ = fs::remove_dir_all(&at);
        let _ = fs::remove_file(&at);
        other(&at, &self.outside);
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let ran = self.sandbox.run_soon(arguments);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }

    #[track_caller]
    fn is_unharmed(&self) {
        let mut files = Vec::new();
        list(&self.outside, &mut files);
        assert_eq!(files.len(), 6, "{files:?}");
        for file in files {
            assert_eq!(
                fs::read_to_string(&file).unwrap(),
                "mine",
                "{}",
                file.display()
            );
        }
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// Creates something other than a regular file or directory, given a foreign directory.
type Other = fn(&Path, &Path);

fn file(at: &Path, _: &Path) {
    fs::write(at, "").unwrap();
}

fn pipe(at: &Path, _: &Path) {
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at, fifo, 0o600.into(), 0).unwrap();
}

fn link(at: &Path, outside: &Path) {
    symlink(outside, at).unwrap();
}

fn link_to_file(at: &Path, outside: &Path) {
    symlink(outside.join("a.log"), at).unwrap();
}

fn dangling(at: &Path, outside: &Path) {
    symlink(outside.join("none"), at).unwrap();
}

fn hard_link(at: &Path, outside: &Path) {
    fs::hard_link(outside.join("a.log"), at).unwrap();
}

fn directory(at: &Path, _: &Path) {
    fs::create_dir(at).unwrap();
}

fn endless(at: &Path, _: &Path) {
    File::create(at).unwrap().set_len(10 << 30).unwrap();
}

#[test]
fn a_state_directory_behind_a_link_is_neither_emptied_nor_written_nor_read() {
    for name in ["state", "state/inputs", "locks", "logs", "contexts"] {
        let place = Place::built();
        place.put(name, link);
        let clean = ["clean", "--all"];
        for command in [
            &["clean"],
            &clean[..],
            PLAN,
            BUILD,
            WATCH,
            &["explain", "a"],
        ] {
            let said = format!("`.imgspec/{name}` is a symbolic link, not a directory");
            place.run(command).code(2).says(&said).says(HELP);
        }
        place.run(&["check"]).code(2).says(HELP);
        place.run(&["doctor"]).code(1).says(HELP);
        place.is_unharmed();
        assert!(place.at(name).is_symlink(), "it is the user's to remove");
    }
}

#[test]
fn a_state_directory_that_becomes_a_link_while_it_watches_is_not_written_through() {
    let place = Place::built();
    let mut watch = Watch::settled(&place.sandbox, &[]);
    for name in ["logs", "locks"] {
        place.put(name, link);
        place.sandbox.write("f", name);
        let failed = watch.until("image-failed")["error"].to_string();
        let said = format!("`.imgspec/{name}` is a symbolic link, not a directory: {HELP}");
        assert!(failed.contains(&said), "{failed}");
        fs::remove_file(place.at(name)).unwrap();
        place.is_unharmed();
    }
    place.sandbox.write("f", "mended");
    watch.until("image-built");
}

#[test]
fn a_state_directory_that_is_none_is_told_by_every_command() {
    for (other, kind) in [
        (file as Other, "a file"),
        (pipe, "a named pipe"),
        (dangling, "a symbolic link"),
        (link, "a symbolic link"),
    ] {
        let place = Place::new();
        other(&place.at(""), &place.outside);
        let said = format!("`.imgspec` is {kind}, not a directory");
        let render = ["render", "--builder", "fake", "-o", "to", "a"];
        for command in [PLAN, BUILD, WATCH, &["clean"], &["explain", "a"], &render] {
            let ran = place.run(command).code(2).says(&said).says(HELP);
            assert!(!ran.stderr.contains("writable"), "{}", ran.stderr);
        }
        place.run(&["check"]).code(2).says(&said).says(HELP);
        place.run(&["doctor"]).code(1).says(&said).says(HELP);
        // Unrelated commands still work.
        place.run(&["tag", "a"]).success();
        place.run(&["graph", "show"]).success();
        place.is_unharmed();
        assert!(!place.outside.join("none").exists());
    }
}

#[test]
fn a_log_in_the_place_of_something_else_is_made_anew() {
    for other in [link_to_file as Other, dangling, hard_link, pipe, endless] {
        let place = Place::built();
        place.put("logs/a.log", other);
        place.put(".gitignore", other);
        place.sandbox.write("f", "2");
        place.run(BUILD).success();
        let log = place.at("logs/a.log").symlink_metadata().unwrap();
        assert!(log.is_file() && log.nlink() == 1 && log.len() < 1000);
        place.is_unharmed();
        assert!(!place.outside.join("none").exists());
    }
    let place = Place::built();
    place.put("logs/a.log", directory);
    place.sandbox.write("f", "2");
    let said = "`.imgspec/logs/a.log` is a directory, not a file";
    place.run(BUILD).code(1).says(said).says(HELP);
}

#[test]
fn a_lock_that_is_no_file_is_refused_by_name() {
    for (other, kind) in [
        (pipe as Other, "a named pipe"),
        (link_to_file, "a symbolic link"),
        (dangling, "a symbolic link"),
        (directory, "a directory"),
    ] {
        let place = Place::built();
        place.sandbox.write("f", "2");
        place.put("locks/a.lock", other);
        let said = format!("`.imgspec/locks/a.lock` is {kind}, not a file");
        place.run(BUILD).code(1).says(&said).says(HELP);
        // Including logs, which are removed only under the lock: there is one.
        place.run(&["clean"]).code(2).says(&said).says(HELP);
        place.put("store.lock", other);
        let said = format!("`.imgspec/store.lock` is {kind}, not a file");
        for command in [BUILD, WATCH, &["clean"]] {
            place.run(command).code(2).says(&said).says(HELP);
        }
        place.is_unharmed();
        assert!(!place.outside.join("none").exists());
    }
}

/// Standard error of a process up to this text.
#[track_caller]
fn hears(child: &mut Child, words: &str) -> String {
    let mut stderr = child.stderr.take().unwrap();
    let (sender, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut piece = [0; 512];
        while let Ok(count @ 1..) = stderr.read(&mut piece) {
            let _ = sender.send(String::from_utf8_lossy(&piece[..count]).into_owned());
        }
    });
    let mut said = String::new();
    while !said.contains(words) {
        match heard.recv_timeout(Duration::from_secs(20)) {
            Ok(piece) => said.push_str(&piece),
            Err(error) => panic!("`{words}` is not said ({error}): {said}"),
        }
    }
    said
}

#[test]
fn who_waits_for_another_run_says_so_and_ends_when_told_to() {
    for (lock, command, said) in [
        (
            "locks/a.lock",
            BUILD,
            "waiting for another run that is building it",
        ),
        (
            "store.lock",
            BUILD,
            "waiting for another run that is writing its records",
        ),
        (
            "store.lock",
            &["clean"],
            "waiting for another run that is writing its records",
        ),
    ] {
        let place = Place::built();
        place.sandbox.write("f", "2");
        let held = File::open(place.at(lock)).unwrap();
        held.lock().unwrap();
        let mut child = place.sandbox.spawn(command);
        hears(&mut child, said);
        signal(child.id(), Signal::TERM);
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(10), "{lock}");
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(held);
        place.run(BUILD).success();
        assert_eq!(place.sandbox.plan(&[]), ["a fresh"]);
    }
}

/// The record of `a` while the image is gone, so that the plan depends on the record alone.
fn lost(place: &Place) -> PathBuf {
    fs::remove_dir_all(place.at("fake/local")).unwrap();
    place.at("state/a.json")
}

#[test]
fn a_record_that_is_no_file_of_ours_counts_as_never_built() {
    for (other, why) in [
        (pipe as Other, "it is a named pipe, not a file"),
        (link_to_file, "it is a symbolic link, not a file"),
        (dangling, "it is a symbolic link, not a file"),
        (endless, "it is larger than 1 MiB"),
        (directory, "it is a directory, not a file"),
    ] {
        let place = Place::built();
        lost(&place);
        place.put("state/a.json", other);
        place.run(PLAN).success().says(why);
        place.run(&["explain", "a"]).success().says(why);
        let watch = Watch::settled(&place.sandbox, &[]);
        assert!(
            watch
                .heard
                .iter()
                .any(|event| event["event"] == "image-built")
        );
        drop(watch);
        place.is_unharmed();
        assert_eq!(place.sandbox.plan(&[]), ["a fresh"]);
    }
}

#[test]
fn inputs_that_are_no_file_of_ours_are_not_read() {
    for other in [pipe as Other, link_to_file, dangling, endless, directory] {
        let place = Place::built();
        let inputs = fs::read_dir(place.at("state/inputs")).unwrap().next();
        let name = inputs.unwrap().unwrap().file_name().into_string().unwrap();
        place.put(&format!("state/inputs/{name}"), other);
        lost(&place);
        place.sandbox.write("f", "2");
        assert!(place.sandbox.plan(&[])[0].starts_with("a build"));
        place
            .run(&["explain", "a"])
            .success()
            .says("no longer known");
        place.run(BUILD).success();
        place.is_unharmed();
        assert_eq!(place.sandbox.plan(&[]), ["a fresh"]);
    }
}

#[test]
fn the_pretended_store_behind_a_link_is_not_written() {
    for name in ["fake", "fake/local"] {
        let place = Place::built();
        place.put(name, link);
        let said = format!("`.imgspec/{name}` is a symbolic link, not a directory");
        place.run(PLAN).success().says(&said);
        place.run(BUILD).code(1).says(&said).says(HELP);
        place.run(&["clean", "--all"]).success();
        place.is_unharmed();
    }
    let place = Place::built();
    place.put("fake/builds.log", hard_link);
    place.sandbox.write("f", "2");
    place.run(BUILD).code(1).says("it is a hard link");
    place.is_unharmed();
}

#[test]
fn a_record_cut_at_any_byte_is_told_as_damaged_and_never_believed() {
    let place = Place::built();
    let record = lost(&place);
    let whole = fs::read(&record).unwrap();
    let last = whole.iter().rposition(|byte| *byte == b'}').unwrap();
    for end in 0..=last {
        fs::write(&record, &whole[..end]).unwrap();
        place
            .run(PLAN)
            .success()
            .says("its record cannot be used: it is damaged");
        if end % 50 == 0 {
            place.run(BUILD).success();
            let text = fs::read_to_string(&record).unwrap();
            assert!(text.ends_with("}\n"), "{text}");
            lost(&place);
        }
    }
}
