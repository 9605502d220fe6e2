//! Tests our directories against symlinks, pipes, and threads that create them concurrently.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::*;

struct Place {
    folder: tempfile::TempDir,
    dir: Dir,
}

impl Place {
    /// Creates an empty `.own` next to a `victim` that contains a directory with a file.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("victim/deep")).unwrap();
        std::fs::write(folder.path().join("victim/deep/file"), "mine").unwrap();
        let dir = rooted(folder.path()).make().unwrap();
        Self { folder, dir }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    #[track_caller]
    fn is_unharmed(&self) {
        let victim = self.at("victim");
        assert_eq!(
            std::fs::read_to_string(victim.join("deep/file")).unwrap(),
            "mine"
        );
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 1);
        assert_eq!(std::fs::read_dir(victim.join("deep")).unwrap().count(), 1);
    }
}

fn rooted(folder: &Path) -> Rooted {
    let terms = Terms {
        keeps: "its state",
        hidden: Some(folder.to_owned()),
        ..Terms::default()
    };
    Rooted::new(folder, ".own", terms)
}

fn fifo(at: &Path) {
    rustix::fs::mknodat(CWD, at, FileType::Fifo, 0o600.into(), 0).unwrap();
}

#[track_caller]
fn why<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    result.unwrap_err().to_string()
}

const HELP: &str = "imgspec keeps its state in directories and files of its own; remove it";

#[test]
fn a_step_that_is_no_directory_is_refused_by_name_and_kind() {
    let place = Place::new();
    std::fs::write(place.at(".own/file"), "").unwrap();
    fifo(&place.at(".own/pipe"));
    symlink("../victim", place.at(".own/link")).unwrap();
    symlink("nowhere", place.at(".own/dangling")).unwrap();
    for (name, kind) in [
        ("file", "a file"),
        ("pipe", "a named pipe"),
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
    ] {
        let expected = format!("`.own/{name}` is {kind}, not a directory: {HELP}");
        assert_eq!(why(place.dir.open(name)), expected);
        assert_eq!(why(place.dir.make(name)), expected);
    }
    for name in ["", ".", "..", "a/b", "a/", "/"] {
        assert!(place.dir.make(name).is_err(), "{name:?}");
    }
    assert!(place.dir.open("none").unwrap().is_none());
    place.dir.make_all("a/b/c").unwrap();
    assert!(place.at(".own/a/b/c").is_dir());
    place.is_unharmed();
}

#[test]
fn the_users_own_directory_may_be_reached_by_a_link_and_ours_may_not() {
    let place = Place::new();
    symlink(place.folder.path(), place.at("way")).unwrap();
    assert!(rooted(&place.at("way")).open().unwrap().is_some());
    std::fs::remove_dir(place.at(".own")).unwrap();
    symlink("victim", place.at(".own")).unwrap();
    let expected = format!("`.own` is a symbolic link, not a directory: {HELP}");
    assert_eq!(why(rooted(place.folder.path()).open()), expected);
    assert_eq!(
        why(rooted(place.folder.path()).join("deep").make()),
        expected
    );
    place.is_unharmed();
}

#[test]
fn only_regular_files_are_read_and_none_is_waited_for() {
    let place = Place::new();
    let dir = &place.dir;
    std::fs::write(place.at(".own/file"), "12345").unwrap();
    fifo(&place.at(".own/pipe"));
    symlink("file", place.at(".own/link")).unwrap();
    assert_eq!(dir.read("file", 5).unwrap().unwrap(), b"12345");
    assert_eq!(dir.read("none", 5).unwrap(), None);
    assert_eq!(
        why(dir.read("file", 4)),
        "`.own/file` cannot be read: it is larger than 4 bytes"
    );
    for (name, kind) in [("pipe", "a named pipe"), ("link", "a symbolic link")] {
        let expected = format!("`.own/{name}` is {kind}, not a file: {HELP}");
        assert_eq!(why(dir.read(name, 5)), expected);
        assert_eq!(why(dir.append(name)), expected);
        assert_eq!(why(dir.try_lock(name, Share::Nobody)), expected);
        let error = dir.read(name, 5).unwrap_err();
        assert_eq!(
            DirError::of(&error).unwrap().reason(),
            format!("it is {kind}, not a file")
        );
    }
    dir.make("sub").unwrap();
    assert_eq!(
        why(dir.read("sub", 5)),
        format!("`.own/sub` is a directory, not a file: {HELP}")
    );
    assert_eq!(
        why(dir.replace("sub", b"")),
        format!("`.own/sub` is a directory, not a file: {HELP}")
    );
    assert_eq!(
        why(dir.anew("sub")),
        format!("`.own/sub` is a directory, not a file: {HELP}")
    );
}

#[test]
fn what_is_written_is_written_to_nothing_that_has_another_name() {
    use std::io::Write;
    type Writing = fn(&Dir, &str);
    let write: [Writing; 2] = [
        |dir, name| dir.anew(name).unwrap().write_all(b"ours").unwrap(),
        |dir, name| dir.replace(name, b"ours").unwrap(),
    ];
    for write in write {
        let place = Place::new();
        symlink("../victim/deep/file", place.at(".own/link")).unwrap();
        symlink("../victim/new", place.at(".own/dangling")).unwrap();
        std::fs::hard_link(place.at("victim/deep/file"), place.at(".own/hard")).unwrap();
        fifo(&place.at(".own/pipe"));
        for name in ["link", "dangling", "hard", "pipe", "none"] {
            write(&place.dir, name);
            assert_eq!(place.dir.read(name, 9).unwrap().unwrap(), b"ours", "{name}");
        }
        place.is_unharmed();
        let entries = place.dir.entries().unwrap();
        assert!(
            entries.iter().all(|entry| entry.kind == FileKind::File),
            "{entries:?}"
        );
        assert_eq!(entries.len(), 5);
    }
    let place = Place::new();
    std::fs::hard_link(place.at("victim/deep/file"), place.at(".own/hard")).unwrap();
    let said = why(place.dir.append("hard"));
    assert!(
        said.starts_with("`.own/hard` has another name as well: it is a hard link: "),
        "{said}"
    );
}

#[test]
fn a_fresh_file_has_its_name_when_it_is_whole_and_leaves_nothing_else() {
    let place = Place::new();
    let to = place.dir.make("to").unwrap();
    let mut file = place.dir.fresh().unwrap();
    file.write(b"x").unwrap();
    assert!(file.name.starts_with(TEMPORARY));
    file.keep(&to, "name").unwrap();
    drop(place.dir.fresh().unwrap());
    assert_eq!(to.read("name", 1).unwrap().unwrap(), b"x");
    assert_eq!(place.dir.entries().unwrap().len(), 1);
}

#[test]
fn a_tree_is_removed_and_nothing_that_links_lead_to() {
    let place = Place::new();
    let tree = place.dir.make_all("tree/sub").unwrap();
    std::fs::write(tree.path().join("file"), "").unwrap();
    fifo(&tree.path().join("pipe"));
    symlink("../../../victim", tree.path().join("link")).unwrap();
    symlink("../../victim", place.at(".own/link")).unwrap();
    place.dir.remove("tree").unwrap();
    place.dir.remove("link").unwrap();
    place.dir.remove("none").unwrap();
    assert_eq!(place.dir.entries().unwrap(), []);
    place.is_unharmed();
}

#[test]
fn a_tree_deeper_than_there_are_handles_is_removed() {
    let place = Place::new();
    let mut at = place.dir.make("tree").unwrap();
    for _ in 0..5000 {
        at = at.make("a").unwrap();
    }
    place.dir.remove("tree").unwrap();
    assert_eq!(place.dir.entries().unwrap(), []);
}

#[test]
fn a_lock_is_one_holders_or_all_sharers() {
    use std::ops::ControlFlow;
    let place = Place::new();
    let dir = &place.dir;
    let held = dir.try_lock("x", Share::Sharers).unwrap();
    assert!(dir.try_lock("x", Share::Sharers).unwrap().is_some());
    let mut asked = 0;
    let mut waiting = || {
        asked += 1;
        if asked < 3 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    assert!(
        dir.lock("x", Share::Nobody, &mut waiting)
            .unwrap()
            .is_none()
    );
    assert_eq!(asked, 3);
    drop(held);
}

/// Repeats `work` while another thread swaps `.own/d` for a symlink to the victim.
fn race(times: usize, work: impl Fn(&Dir)) {
    let place = Place::new();
    let (dir, link) = (place.at(".own/d"), place.at(".own/l"));
    let is_over = AtomicBool::new(false);
    let begun = Instant::now();
    let swaps = std::thread::scope(|scope| {
        let swapping = scope.spawn(|| {
            let mut swaps = 0;
            while !is_over.load(Ordering::Relaxed) {
                let _ = symlink("../victim", &link);
                let swapped = renameat_with(CWD, &dir, CWD, &link, RenameFlags::EXCHANGE);
                swaps += usize::from(swapped.is_ok());
            }
            swaps
        });
        let mut done = 0;
        while done < times && begun.elapsed() < Duration::from_secs(10) {
            work(&place.dir);
            done += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(done > times / 10, "only {done} times");
        swapping.join().unwrap()
    });
    place.is_unharmed();
    assert!(swaps > times / 100, "only {swaps} swaps");
}

#[test]
fn nothing_of_others_is_removed_while_somebody_swaps_directories_for_links() {
    race(3000, |own| {
        if let Ok(below) = own.make("d") {
            let _ = below
                .make("deep")
                .and_then(|deep| deep.write("file", b"ours"));
        }
        let _ = own.remove("d");
        let _ = own.remove("l");
    });
}

#[test]
fn nothing_of_others_is_written_while_somebody_swaps_directories_for_links() {
    race(3000, |own| {
        let _ = own
            .make_all("d/deep")
            .and_then(|deep| deep.replace("file", b"ours"));
        let _ = own.make_all("d/deep").and_then(|deep| deep.anew("file"));
        let _ = own.make_all("d/new");
    });
}
