//! The index of file times: unchanged files are not opened, and no change is missed whatever is wrong with the index.

use std::fs::{self, File, Permissions};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use super::{
    BUILD, Other, PLAN, Place, dangling, directory, endless, file, hard_link, link_to_file, pipe,
};
use crate::sandbox::Sandbox;

const MANIFEST: &str = "image \"a\" { base-image \"scratch\"; copy \"src\" to=\"/src\" }\n";

/// Waits until all files are old enough for the index.
fn settle() {
    std::thread::sleep(Duration::from_millis(3100));
}

/// Records which files of a directory are opened.
struct Ear(OwnedFd);

impl Ear {
    fn at(folder: &Path) -> Self {
        let ear = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        inotify::add_watch(&ear, folder, WatchFlags::OPEN).unwrap();
        Self(ear)
    }

    fn opened(&self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        let mut opened = Vec::new();
        while let Ok(event) = events.next() {
            // Events of the directory itself have no name.
            opened.extend(
                event
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned()),
            );
        }
        opened.sort();
        opened
    }
}

/// An edit that keeps size and mtime.
fn edit(file: &Path, text: &str) {
    let before = fs::metadata(file).unwrap();
    assert_eq!(before.len(), text.len() as u64);
    fs::write(file, text).unwrap();
    let time = before.modified().unwrap();
    File::open(file).unwrap().set_modified(time).unwrap();
}

/// A built workspace with an index of its two files.
fn known() -> Sandbox {
    let sandbox = Sandbox::in_memory();
    sandbox.write("imgspec.kdl", MANIFEST);
    sandbox.write("src/a", "a 1");
    sandbox.write("src/b", "b 1");
    settle();
    sandbox.build(&[]).success();
    assert!(sandbox.path(".imgspec/index").is_file());
    sandbox
}

#[test]
fn what_did_not_change_is_not_opened_unless_everything_is_to_be_verified() {
    let sandbox = known();
    let ear = Ear::at(&sandbox.path("src"));
    for command in [PLAN, BUILD, &["check"], &["tag"], &["explain", "a"]] {
        sandbox.run(command).success();
        assert_eq!(ear.opened(), [""; 0], "{command:?}");
        sandbox.run(&[command, &["--verify"]].concat()).success();
        assert_eq!(ear.opened(), ["a", "b"], "{command:?}");
    }
    sandbox.write("src/b", "b 2");
    ear.opened();
    assert_eq!(sandbox.plan(&[]), ["a build input-changed:copy[0]:src/b"]);
    assert_eq!(ear.opened(), ["b"]);
    sandbox
        .run(&["clean", "--all"])
        .success()
        .says("1 index of file times");
    ear.opened();
    sandbox.plan(&[]);
    assert_eq!(ear.opened(), ["a", "b"]);
}

#[test]
fn a_change_that_hides_behind_size_and_times_is_seen_whatever_the_index_knows() {
    let sandbox = known();
    let (a, b) = (sandbox.path("src/a"), sandbox.path("src/b"));
    let is_seen = |names: &str| {
        assert_eq!(sandbox.plan(&[]), [format!("a build {names}")]);
        sandbox.build(&[]).success();
        assert_eq!(sandbox.plan(&[]), ["a fresh"]);
    };
    let (in_a, in_b) = ("input-changed:copy[0]:src/a", "input-changed:copy[0]:src/b");
    edit(&a, "a 2");
    is_seen(in_a);
    // Immediately after the previous plan.
    edit(&a, "a 3");
    is_seen(in_a);
    settle();
    sandbox.build(&["--verify"]).success();
    // Replaced by a file of the same size and mtime.
    let time = fs::metadata(&b).unwrap().modified().unwrap();
    sandbox.write("new", "b 2");
    File::open(sandbox.path("new"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    fs::rename(sandbox.path("new"), &b).unwrap();
    is_seen(in_b);
    // Two files are swapped through a hard link.
    let kept = sandbox.path("kept");
    fs::hard_link(&a, &kept).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&kept, &b).unwrap();
    is_seen(&format!("{in_a},{in_b}"));
    fs::set_permissions(&b, Permissions::from_mode(0o755)).unwrap();
    is_seen(in_b);
}

#[test]
fn an_index_that_came_with_a_checkout_is_not_believed() {
    let sandbox = known();
    let there = sandbox.path("there");
    fs::create_dir(&there).unwrap();
    let whole = ["imgspec.kdl", "src", ".imgspec"].map(|name| sandbox.path(name));
    let copied = Command::new("cp")
        .arg("-a")
        .args(whole)
        .arg(&there)
        .status();
    assert!(copied.unwrap().success());
    let ear = Ear::at(&there.join("src"));
    let plan = [&["-C", "there", "--root", "."], PLAN].concat();
    sandbox.run(&plan).success();
    assert_eq!(ear.opened(), ["a", "b"]);
    edit(&there.join("src/a"), "a 2");
    let said = sandbox.run(&plan).success();
    assert!(said.stdout.contains("src/a"), "{}", said.stdout);
}

#[test]
fn whatever_is_in_the_place_of_the_index_hides_no_change_and_harms_nothing() {
    let others: [Other; 7] = [
        file,
        pipe,
        link_to_file,
        dangling,
        hard_link,
        directory,
        endless,
    ];
    let place = Place::new();
    settle();
    place.run(BUILD).success();
    for (round, other) in others.into_iter().enumerate() {
        place.put("index", other);
        assert_eq!(place.sandbox.plan(&[]), ["a fresh"]);
        // Never the same content twice: an image that exists is fresh.
        edit(
            &place.sandbox.path("f"),
            ["a", "b", "c", "d", "e", "f", "g"][round],
        );
        assert_eq!(place.sandbox.plan(&[]), ["a build input-changed:copy[0]:f"]);
        place.run(BUILD).success();
        assert_eq!(place.sandbox.plan(&[]), ["a fresh"]);
        place.is_unharmed();
        assert!(!place.sandbox.path("../outside/none").exists());
    }
    // A state directory that cannot be written does not matter.
    place.put("index", file);
    let read_only = Permissions::from_mode(0o555);
    fs::set_permissions(place.at(""), read_only).unwrap();
    assert_eq!(place.sandbox.plan(&[]), ["a fresh"]);
    fs::set_permissions(place.at(""), Permissions::from_mode(0o755)).unwrap();
}
