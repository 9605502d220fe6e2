//! Records in a real directory: what is written is read back, and nothing else ever is.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::backend::{Artifact, StoreKind};
use crate::disk::dir::Share;

fn record(image: &str, key: u8) -> Record {
    Record {
        version: SCHEMA,
        image: image.to_owned(),
        key: Key::new([key; 32]),
        artifact: Artifact {
            backend: "fake".to_owned(),
            reference: format!("{image}:{key}"),
            digest: "sha256:00".to_owned(),
            size: None,
        },
        platforms: vec!["linux/amd64".to_owned()],
        seconds: 1.5,
        finished: "2026-01-02T03:04:05Z".to_owned(),
        bases: vec![("base".to_owned(), "sha256:11".to_owned())],
        stored: BTreeSet::from([StoreKind::Local]),
        by: None,
    }
}

fn input(value: &str) -> Vec<Input> {
    vec![Input {
        name: "env.A".to_owned(),
        value: value.to_owned(),
    }]
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

impl Store {
    /// Writes, waiting as long as needed.
    fn put(&self, record: &Record, inputs: &[Input]) -> io::Result<()> {
        self.write(record, inputs, || ControlFlow::Continue(()))
    }

    fn at(&self, folder: &str, name: &str) -> PathBuf {
        self.place.path().join(folder).join(name)
    }

    /// Waits for the turn to write: a process that another test starts may have its lock for a moment.
    fn drop_it(&self, leftover: &Leftover) -> bool {
        self.remove(leftover, || ControlFlow::Continue(())).unwrap()
    }

    fn inputs_of(&self, image: &str) -> Vec<String> {
        listing_files(&self.place.join(INPUTS).open().unwrap().unwrap(), image)
    }
}

fn found(record: Record) -> RecordState {
    RecordState::Found(Box::new(record))
}

#[test]
fn a_record_is_read_as_it_was_written_with_its_inputs() {
    let (folder, store) = store();
    assert_eq!(store.read("app"), RecordState::Missing);
    store.put(&record("app", 1), &input("1")).unwrap();
    store.put(&record("app", 2), &input("2")).unwrap();
    store.put(&record("app.b", 3), &input("3")).unwrap();
    assert_eq!(store.read("app"), found(record("app", 2)));
    assert_eq!(store.inputs(&record("app", 2)), Some(input("2")));
    assert_eq!(
        store.inputs(&record("app", 1)),
        None,
        "old inputs are removed"
    );
    assert_eq!(store.inputs(&record("app.b", 3)), Some(input("3")));
    let marker = folder.path().join(".imgspec/.gitignore");
    assert_eq!(std::fs::read_to_string(marker).unwrap(), "*\n");
}

#[test]
fn a_damaged_record_counts_as_never_built_and_says_so() {
    // skaffold writes its one state file in place; a kill leaves half of it.
    let (_folder, store) = store();
    store.put(&record("app", 1), &input("1")).unwrap();
    let file = store.at(RECORDS, "app.json");
    let whole = std::fs::read(&file).unwrap();
    for end in 0..whole.len() - 2 {
        std::fs::write(&file, &whole[..end]).unwrap();
        assert_eq!(
            store.read("app"),
            RecordState::Unreadable("it is damaged".into()),
            "{end}"
        );
    }
    std::fs::write(&file, b"\xff\x00garbage").unwrap();
    assert_eq!(
        store.read("app"),
        RecordState::Unreadable("it is damaged".into())
    );
    let text = String::from_utf8(whole.clone()).unwrap();
    std::fs::write(&file, text.replace("\"version\": 1", "\"version\": 7")).unwrap();
    assert_eq!(
        store.read("app"),
        RecordState::Unreadable(
            "it was written by another version of imgspec (schema 7, not 1)".into()
        )
    );
    std::fs::write(&file, text.replace("\"app\"", "\"other\"")).unwrap();
    assert_eq!(
        store.read("app"),
        RecordState::Unreadable("it belongs to another image".into())
    );
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(matches!(store.read("app"), RecordState::Unreadable(_)));
}

#[test]
fn damaged_inputs_are_none() {
    let (_folder, store) = store();
    store.put(&record("app", 1), &input("1")).unwrap();
    std::fs::write(
        store.at(INPUTS, &listing_file("app", &Key::new([1; 32]))),
        "{",
    )
    .unwrap();
    assert_eq!(store.inputs(&record("app", 1)), None);
    assert_eq!(store.read("app"), found(record("app", 1)));
}

#[test]
fn a_state_folder_that_is_none_is_told_by_name_and_kind() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(STATE_FOLDER), "").unwrap();
    let expected = "`.imgspec` is a file, not a directory: imgspec keeps its state in directories and files of its own; remove it";
    assert_eq!(
        Store::open(folder.path()).unwrap_err().to_string(),
        expected
    );
    let store = Store::look(folder.path());
    assert_eq!(store.verify().unwrap_err().to_string(), expected);
    assert_eq!(store.read("app"), RecordState::Unreadable(expected.into()));
}

#[test]
fn a_record_that_is_no_file_or_too_large_counts_as_never_built() {
    let (folder, store) = store();
    let file = store.at(RECORDS, "app.json");
    let said = |why: &str| assert_eq!(store.read("app"), RecordState::Unreadable(why.into()));
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &file, fifo, 0o600.into(), 0).unwrap();
    said("it is a named pipe, not a file");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(folder.path().join("other"), &file).unwrap();
    said("it is a symbolic link, not a file");
    std::fs::remove_file(&file).unwrap();
    let sparse = File::create(&file).unwrap();
    sparse.set_len(10 << 30).unwrap();
    said("it is larger than 1 MiB");
    store.put(&record("app", 1), &input("1")).unwrap();
    let inputs = store.at(INPUTS, &listing_file("app", &Key::new([1; 32])));
    File::create(&inputs).unwrap().set_len(10 << 30).unwrap();
    assert_eq!(store.inputs(&record("app", 1)), None);
}

#[test]
fn who_waits_to_write_is_asked_and_can_give_up() {
    let (_folder, store) = store();
    let own = store.place.make().unwrap();
    let held = own.try_lock("store.lock", Share::Nobody).unwrap().unwrap();
    let mut asked = 0;
    let error = store.write(&record("app", 1), &[], || {
        asked += 1;
        if asked < 3 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::Interrupted);
    assert_eq!((asked, store.read("app")), (3, RecordState::Missing));
    drop(held);
    store.put(&record("app", 1), &[]).unwrap();
}

#[test]
fn only_what_is_in_the_state_folder_can_be_removed() {
    let (folder, store) = store();
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "").unwrap();
    for path in ["victim", ".imgspec/../victim"] {
        let leftover = Leftover {
            kind: LeftoverKind::Log,
            image: None,
            path: folder.path().join(path),
            bytes: 0,
        };
        assert!(store.remove(&leftover, || ControlFlow::Break(())).is_err());
    }
    assert!(victim.exists());
}

#[test]
fn a_write_that_fails_leaves_the_old_record() {
    let (_folder, store) = store();
    store.put(&record("app", 1), &input("1")).unwrap();
    // Stands in for a full disk: the inputs, which come first, cannot be written.
    std::fs::create_dir(store.at(INPUTS, &listing_file("app", &Key::new([2; 32])))).unwrap();
    assert!(store.put(&record("app", 2), &input("2")).is_err());
    assert_eq!(store.read("app"), found(record("app", 1)));
    assert_eq!(store.inputs(&record("app", 1)), Some(input("1")));
}

#[test]
fn writers_at_once_never_leave_a_mixture() {
    // In skaffold, two processes overwrite each other's entire state file.
    let (_folder, store) = store();
    store.put(&record("app", 0), &input("0")).unwrap();
    let (writers, each) = (4, 10);
    let left = AtomicUsize::new(writers);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (store, left) = (&store, &left);
            scope.spawn(move || {
                for at in 0..each {
                    let key = u8::try_from(writer * each + at).unwrap();
                    store
                        .put(&record("app", key), &input(&key.to_string()))
                        .unwrap();
                }
                left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while left.load(Ordering::SeqCst) > 0 {
            assert!(matches!(store.read("app"), RecordState::Found(_)));
        }
    });
    let RecordState::Found(last) = store.read("app") else {
        panic!("no record")
    };
    assert!(store.inputs(&last).is_some());
    assert_eq!(store.inputs_of("app").len(), 1);
}

const VICTIM: &str = "IMGSPEC_TEST_STORE_VICTIM";

/// Does nothing except in the process that the next test starts and kills.
#[test]
fn victim_writes_until_killed() {
    let Some(root) = std::env::var_os(VICTIM) else {
        return;
    };
    let store = Store::open(Path::new(&root)).unwrap();
    for key in (0..=255).cycle() {
        let lock = store
            .lock_image("app", || ControlFlow::Continue(()))
            .unwrap();
        store
            .put(&record("app", key), &input(&key.to_string()))
            .unwrap();
        drop(lock);
    }
}

#[test]
fn killed_at_any_moment_a_record_is_whole_and_true_and_no_lock_stays() {
    // skaffold: killed while writing its state; locks that outlive their holder.
    let (folder, store) = store();
    store.put(&record("app", 0), &input("0")).unwrap();
    for round in 0..12_u64 {
        let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::victim_writes_until_killed"])
            .env(VICTIM, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(15 + round * 7));
        victim.kill().unwrap();
        victim.wait().unwrap();
        let RecordState::Found(last) = store.read("app") else {
            panic!("no record after round {round}")
        };
        let key: String = last.key.to_string()[..2].to_owned();
        let value = u8::from_str_radix(&key, 16).unwrap().to_string();
        assert_eq!(store.inputs(&last), Some(input(&value)), "round {round}");
        let lock = store.lock_image("app", || ControlFlow::Break(())).unwrap();
        assert!(lock.is_some(), "round {round}");
    }
    store.put(&record("app", 1), &input("1")).unwrap();
    for unfinished in store.leftovers(&BTreeSet::from(["app"])).unwrap() {
        assert!(store.drop_it(&unfinished));
    }
    assert_eq!(store.inputs_of("app").len(), 1);
    assert!(
        store
            .leftovers(&BTreeSet::from(["app"]))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn an_image_is_locked_by_one_at_a_time() {
    let (_folder, store) = store();
    let first = store
        .lock_image("app", || ControlFlow::Break(()))
        .unwrap()
        .unwrap();
    assert!(!first.waited);
    assert!(
        store
            .lock_image("app", || ControlFlow::Break(()))
            .unwrap()
            .is_none()
    );
    assert!(
        store
            .lock_image("other", || ControlFlow::Break(()))
            .unwrap()
            .is_some()
    );
    let mut held = Some(first);
    let second = store.lock_image("app", || {
        held = None;
        ControlFlow::Continue(())
    });
    assert!(second.unwrap().unwrap().waited);
}

#[test]
fn two_runs_at_once_build_an_image_once() {
    let (_folder, store) = store();
    let built = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let lock = store
                    .lock_image("app", || ControlFlow::Continue(()))
                    .unwrap();
                if store.read("app") == RecordState::Missing {
                    built.fetch_add(1, Ordering::SeqCst);
                    store.put(&record("app", 1), &input("1")).unwrap();
                }
                drop(lock);
            });
        }
    });
    assert_eq!(built.into_inner(), 1);
}

#[test]
fn the_builder_of_a_killed_run_never_sees_the_files_of_the_next() {
    // moby/buildkit#2855: killing a client does not end the build, and buildx itself outlives imgspec. It may still be
    // reading its context when the next run stages other files for the same image.
    let (folder, killed) = store();
    let left = killed.context_folder("app");
    let other = killed.context_folder("app.b");
    for context in [&left, &other] {
        std::fs::create_dir_all(context).unwrap();
    }
    let next = Store::open(folder.path()).unwrap();
    assert_ne!(next.context_folder("app"), left);
    let lock = next.lock_image("app", || ControlFlow::Break(())).unwrap();
    assert!(lock.is_some());
    assert!(!left.exists(), "it fails rather than tag a mixture");
    assert!(other.exists(), "another image's is not touched");
}

#[test]
fn leftovers_are_listed_and_removed_unless_in_use() {
    let (_folder, store) = store();
    for image in ["app", "old", "busy"] {
        store.put(&record(image, 1), &input("1")).unwrap();
        std::fs::create_dir_all(store.context_folder(image).join("x")).unwrap();
        std::fs::write(store.context_folder(image).join("x/y"), "12345").unwrap();
    }
    store.open_log("app").unwrap();
    std::fs::write(store.at(RECORDS, ".new-abc"), "torn").unwrap();
    let _busy = store
        .lock_image("busy", || ControlFlow::Break(()))
        .unwrap()
        .unwrap();
    let images = BTreeSet::from(["app"]);
    let shown = |left: &[Leftover]| -> Vec<String> {
        left.iter()
            .map(|one| {
                format!(
                    "{:?} {} {}",
                    one.kind,
                    one.image.as_deref().unwrap_or("-"),
                    one.bytes
                )
            })
            .collect()
    };
    let left = store.leftovers(&images).unwrap();
    let without_sizes: Vec<String> = shown(&left)
        .into_iter()
        .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
        .collect();
    assert_eq!(
        without_sizes,
        [
            "Record busy",
            "Record old",
            "Inputs busy",
            "Inputs old",
            "Context app",
            "Context busy",
            "Context old",
            "Log app",
            "Unfinished -",
        ]
    );
    assert!(shown(&left).contains(&"Context app 5".to_owned()));
    for one in &left {
        let removed = store.drop_it(one);
        assert_eq!(removed, one.image.as_deref() != Some("busy"));
    }
    let kept: Vec<String> = shown(&store.leftovers(&images).unwrap())
        .into_iter()
        .collect();
    assert!(kept.iter().all(|line| line.contains("busy")), "{kept:?}");
    assert_eq!(store.read("app"), found(record("app", 1)));
    assert_eq!(store.inputs(&record("app", 1)), Some(input("1")));
}

#[test]
fn the_end_of_a_log_starts_with_a_whole_line() {
    let (_folder, store) = store();
    assert_eq!(store.log_end("app", 100), None);
    let (mut file, _) = store.open_log("app").unwrap();
    std::io::Write::write_all(&mut file, b"first line\nsecond\nthird\n").unwrap();
    assert_eq!(
        store.log_end("app", 100).unwrap(),
        "first line\nsecond\nthird\n"
    );
    assert_eq!(store.log_end("app", 17).unwrap(), "second\nthird\n");
}
