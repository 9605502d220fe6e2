//! The index of file times: unchanged files are not read, and no change is missed.

use std::fs::{File, Permissions, hard_link};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::*;
use crate::disk::read::Root;
use crate::fingerprint::files::index::{self, INDEX, Trust};

/// The result of one run.
struct Run {
    files: Arc<Files>,
    /// How many settled files it read.
    read: u64,
}

impl Tree {
    /// A tree with a state directory and settled files.
    fn settled(names: &[&str]) -> Self {
        let tree = Self::sound();
        for name in names {
            tree.write(name, name);
        }
        fs::create_dir(tree.at(".imgspec")).unwrap();
        settle();
        tree
    }

    /// A tree on a file system with reliable times; the directory for temporary files may be on any.
    fn sound() -> Self {
        let tree = Self::new(&[]);
        let root = Root::open(tree.0.path()).unwrap();
        match root.reliable_device(Path::new("file")) {
            Some(_) => tree,
            None => Self(tempfile::tempdir_in("/dev/shm").unwrap()),
        }
    }

    fn set() -> FileSet {
        FileSet::Tree {
            path: at("src"),
            ignore: at(""),
            own: Own::NOTHING,
        }
    }

    fn run_with(&self, trust: Trust) -> Run {
        let reader = FileReader::remembering(self.0.path(), trust).unwrap();
        let files = reader.read(&Self::set()).unwrap();
        reader.leave_index();
        let read = files.seen.as_ref().unwrap().work.files;
        Run { files, read }
    }

    fn run(&self) -> Run {
        self.run_with(Trust::Times)
    }

    /// Asserts that a run with the index sees the files as they are.
    #[track_caller]
    fn is_right(&self) {
        let whole = self.read("src").unwrap();
        assert_eq!(self.run().files.digest, whole.digest);
    }

    fn index(&self) -> PathBuf {
        self.at(".imgspec").join(INDEX)
    }
}

/// Waits until all files are old enough for the index.
fn settle() {
    std::thread::sleep(Duration::from_millis(3100));
}

fn set_time(file: &Path, time: SystemTime) {
    File::open(file).unwrap().set_modified(time).unwrap();
}

fn time_of(file: &Path) -> SystemTime {
    fs::symlink_metadata(file).unwrap().modified().unwrap()
}

#[test]
fn what_did_not_change_is_read_once() {
    let tree = Tree::settled(&["src/a", "src/b", "src/d/c"]);
    assert_eq!(tree.run().read, 3);
    let second = tree.run();
    assert_eq!(second.read, 0);
    assert_eq!(second.files.digest, tree.read("src").unwrap().digest);
    assert_eq!(second.files.moved(), None);
    let verified = tree.run_with(Trust::Nothing);
    assert_eq!(
        (verified.read, verified.files.digest),
        (3, second.files.digest)
    );
    tree.write("src/b", "other");
    assert_eq!(second.files.moved().as_deref(), Some("src/b"));
    assert_eq!(tree.run().read, 0, "it is too young to be remembered");
    tree.is_right();
    settle();
    assert_eq!(tree.run().read, 1);
    assert_eq!(tree.run().read, 0);
    let index = fs::metadata(tree.index()).unwrap();
    assert_eq!(index.mode() & 0o777, 0o600);
}

#[test]
fn a_reader_that_has_read_all_leaves_one_index_and_drops_its_own() {
    let tree = Tree::settled(&["src/a"]);
    fs::remove_dir(tree.at(".imgspec")).unwrap();
    let reader = FileReader::remembering(tree.0.path(), Trust::Times).unwrap();
    reader.read(&Tree::set()).unwrap();
    reader.leave_index();
    assert!(!tree.at(".imgspec").exists());
    fs::create_dir(tree.at(".imgspec")).unwrap();
    reader.leave_index();
    let first = fs::metadata(tree.index()).unwrap().ino();
    reader.leave_index();
    assert_eq!(fs::metadata(tree.index()).unwrap().ino(), first);
    assert_eq!(tree.run().read, 0);
    let names = fs::read_dir(tree.at(".imgspec")).unwrap();
    assert_eq!(names.count(), 1);
}

/// An edit that keeps size and mtime.
fn edit(file: &Path, text: &str) {
    let time = time_of(file);
    assert_eq!(fs::metadata(file).unwrap().len(), text.len() as u64);
    fs::write(file, text).unwrap();
    set_time(file, time);
}

#[test]
fn an_edit_of_the_same_size_within_one_tick_is_seen_and_one_with_the_time_set_back() {
    let tree = Tree::settled(&["src/old", "src/young"]);
    for text in ["young 1", "young 2", "young 3"] {
        fs::write(tree.at("src/young"), text).unwrap();
        tree.run();
        // A tick of the file system's clock takes milliseconds, so most of these edits share one.
        for round in 0..50 {
            fs::write(tree.at("src/young"), format!("yo {round:04}")).unwrap();
            tree.is_right();
        }
    }
    settle();
    tree.run();
    assert_eq!(tree.run().read, 0);
    edit(&tree.at("src/old"), "src/OLD");
    tree.is_right();
    edit(&tree.at("src/old"), "src/old");
    tree.is_right();
}

#[test]
fn a_file_that_is_replaced_or_swapped_under_its_times_is_seen() {
    let tree = Tree::settled(&["src/a", "src/b", "src/c", "beside"]);
    tree.run();
    assert_eq!(tree.run().read, 0);
    let time = time_of(&tree.at("src/a"));
    tree.write("new", "src/A");
    set_time(&tree.at("new"), time);
    fs::rename(tree.at("new"), tree.at("src/a")).unwrap();
    tree.is_right();
    // Two files swap places.
    hard_link(tree.at("src/b"), tree.at("kept")).unwrap();
    fs::rename(tree.at("src/c"), tree.at("src/b")).unwrap();
    fs::rename(tree.at("kept"), tree.at("src/c")).unwrap();
    tree.is_right();
    fs::remove_file(tree.at("src/b")).unwrap();
    symlink("../beside", tree.at("src/b")).unwrap();
    tree.is_right();
}

#[test]
fn a_mode_that_changes_alone_is_seen() {
    let tree = Tree::settled(&["src/a"]);
    let before = tree.run().files.digest;
    fs::set_permissions(tree.at("src/a"), Permissions::from_mode(0o755)).unwrap();
    assert_ne!(tree.run().files.digest, before);
    tree.is_right();
}

#[test]
fn an_index_of_another_place_or_another_file_is_none() {
    let tree = Tree::settled(&["src/a"]);
    tree.run();
    // A copy has another inode, like a file from a checkout or an archive.
    let copy = tree.at(".imgspec/copy");
    fs::copy(tree.index(), &copy).unwrap();
    fs::rename(&copy, tree.index()).unwrap();
    assert_eq!(tree.run().read, 1);
    assert_eq!(tree.run().read, 0);
    fs::set_permissions(tree.index(), Permissions::from_mode(0o622)).unwrap();
    assert_eq!(tree.run().read, 1, "others may write it");
    hard_link(tree.index(), &copy).unwrap();
    assert_eq!(tree.run().read, 1, "it has another name too");
    let other = Tree::settled(&["src/a"]);
    fs::copy(tree.index(), other.index()).unwrap();
    assert_eq!(other.run().read, 1);
    other.is_right();
}

#[test]
fn a_damaged_index_is_none() {
    let tree = Tree::settled(&["src/a", "src/b"]);
    tree.run();
    let index = fs::OpenOptions::new()
        .write(true)
        .open(tree.index())
        .unwrap();
    let whole = fs::read(tree.index()).unwrap();
    let damage = |bytes: &[u8], what: &str| {
        // In place, because another inode would be rejected anyway.
        index.set_len(0).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&index, bytes, 0).unwrap();
        let reader = FileReader::remembering(tree.0.path(), Trust::Times).unwrap();
        let files = reader.read(&Tree::set()).unwrap();
        assert_eq!(files.seen.as_ref().unwrap().work.files, 2, "{what}");
    };
    for end in 0..whole.len() {
        damage(&whole[..end], &format!("cut at {end}"));
    }
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        damage(&bytes, &format!("bit {bit}"));
    }
    damage(&[&whole[..], b"x"].concat(), "longer");
    damage(&[&whole[..], &whole[..]].concat(), "twice");
    index.set_len(1 << 40).unwrap();
    assert_eq!(tree.run().read, 2);
    assert_eq!(tree.run().read, 0);
}

#[test]
fn what_is_in_the_place_of_the_index_is_left_or_replaced_and_never_followed() {
    let tree = Tree::settled(&["src/a", "outside"]);
    let remove = || {
        let _ = fs::remove_file(tree.index());
        let _ = fs::remove_dir(tree.index());
    };
    symlink("../outside", tree.index()).unwrap();
    assert_eq!((tree.run().read, tree.run().read), (1, 0));
    assert_eq!(fs::read(tree.at("outside")).unwrap(), b"outside");
    remove();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, tree.index(), fifo, 0o600.into(), 0).unwrap();
    assert_eq!((tree.run().read, tree.run().read), (1, 0));
    remove();
    fs::create_dir(tree.index()).unwrap();
    assert_eq!((tree.run().read, tree.run().read), (1, 1));
    let names = fs::read_dir(tree.at(".imgspec")).unwrap();
    assert_eq!(names.count(), 1, "what was begun beside it is removed");
}

#[test]
fn many_runs_at_once_leave_one_whole_index() {
    let tree = Tree::settled(&["src/a", "src/b"]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    tree.run_with(Trust::Nothing);
                }
            });
        }
    });
    assert_eq!(tree.run().read, 0);
    assert_eq!(fs::read_dir(tree.at(".imgspec")).unwrap().count(), 1);
}

#[test]
fn a_file_that_is_edited_while_the_index_is_made_is_seen() {
    let tree = Tree::settled(&["src/a", "src/b", "src/c"]);
    let file = tree.at("src/b");
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let editor = scope.spawn(|| {
            let mut round = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                round += 1;
                let time = time_of(&file);
                fs::write(&file, format!("{:05}", round % 100_000)).unwrap();
                set_time(&file, time);
            }
        });
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_secs(4) {
            // Reading may fail because files move; only the index matters.
            let reader = FileReader::remembering(tree.0.path(), Trust::Nothing).unwrap();
            let _ = reader.read(&Tree::set());
            reader.leave_index();
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        editor.join().unwrap();
    });
    tree.is_right();
}

/// Changes a file in one of several ways that are hard to detect.
fn change(tree: &Tree, at: usize, kind: usize) {
    let name = |at: usize| tree.at(&format!("src/d{}/f{at}", at % 5));
    let (file, other) = (name(at), name(at + 5));
    let time = time_of(&file);
    match kind {
        0 => edit(&file, &format!("{at:03}!")),
        1 => fs::write(&file, format!("{at:04}")).unwrap(),
        2 => {
            let new = tree.at("new");
            fs::write(&new, format!("{at:03}?")).unwrap();
            set_time(&new, time);
            fs::rename(&new, &file).unwrap();
        }
        3 => {
            // The inode is often reused.
            fs::remove_file(&file).unwrap();
            fs::write(&file, format!("{at:03}.")).unwrap();
            set_time(&file, time);
        }
        4 => {
            hard_link(&file, tree.at("kept")).unwrap();
            fs::rename(&other, &file).unwrap();
            fs::rename(tree.at("kept"), &other).unwrap();
        }
        5 => {
            let mode = fs::metadata(&file).unwrap().mode() ^ 0o111;
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        }
        6 => {
            let texts = [fs::read(&file).unwrap(), fs::read(&other).unwrap()];
            fs::write(&file, &texts[1]).unwrap();
            fs::write(&other, &texts[0]).unwrap();
        }
        7 => set_time(&file, SystemTime::now() + Duration::from_hours(24)),
        _ => {}
    }
}

#[test]
fn whatever_happens_between_runs_an_index_never_hides_it() {
    const FILES: usize = 60;
    let names: Vec<String> = (0..FILES + 5)
        .map(|at| format!("src/d{}/f{at}", at % 5))
        .collect();
    let tree = Tree::sound();
    for (at, name) in names.iter().enumerate() {
        tree.write(name, &format!("{at:04}"));
    }
    fs::create_dir(tree.at(".imgspec")).unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    for round in 0..120 {
        if round % 60 == 0 {
            settle();
            tree.run();
        }
        for _ in 0..next(4) {
            change(&tree, next(FILES), next(9));
        }
        tree.is_right();
    }
}

#[test]
fn an_index_from_the_future_is_none_and_of_another_start_only_what_had_settled_counts() {
    let tree = Tree::settled(&["src/a"]);
    tree.run();
    let read = || {
        let reader = FileReader::remembering(tree.0.path(), Trust::Times).unwrap();
        let files = reader.read(&Tree::set()).unwrap();
        files.seen.as_ref().unwrap().work.files
    };
    assert_eq!(read(), 0);
    // As if the clock had been set back by an hour.
    index::tests::rewrite(&tree.index(), |header, _| header.written.0 += 3600);
    assert_eq!(read(), 1);
    index::tests::rewrite(&tree.index(), |header, _| header.written.0 -= 3600);
    assert_eq!(read(), 0);
    index::tests::rewrite(&tree.index(), |header, _| header.boot[3] ^= 1);
    assert_eq!(read(), 1, "it was young when the machine stopped");
    index::tests::rewrite(&tree.index(), |header, _| header.boot[3] ^= 1);
    assert_eq!(read(), 0);
}

#[test]
fn when_times_turn_out_to_lie_everything_is_read_again() {
    let tree = Tree::settled(&["src/a"]);
    tree.run();
    // Simulates a change that left all times untouched.
    index::tests::rewrite(&tree.index(), |_, rows| *rows.last_mut().unwrap() ^= 1);
    let reader = FileReader::remembering(tree.0.path(), Trust::Times).unwrap();
    let wrong = reader.read(&Tree::set()).unwrap();
    assert_eq!(wrong.moved(), None, "the times say that all is well");
    let whole = tree.read("src").unwrap();
    assert_ne!(wrong.digest, whole.digest);
    reader.read_again(&[&Tree::set()]);
    assert_eq!(reader.read(&Tree::set()).unwrap().digest, wrong.digest);
    // As if a builder had received other bytes.
    reader.distrust(&Tree::set());
    reader.read_again(&[&Tree::set()]);
    assert_eq!(reader.read(&Tree::set()).unwrap().digest, whole.digest);
    assert!(!tree.index().exists());
    tree.is_right();
}
