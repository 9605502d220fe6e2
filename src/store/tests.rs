//! Records in a folder of their own: what is written is read, and nothing else ever is.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::backend::{Artifact, StoreKind};

fn record(image: &str, key: u8) -> Record {
    Record {
        version: SCHEMA,
        image: image.to_owned(),
        key: Key::new([key; 32]),
        artifact: Artifact {
            backend: "fake".to_owned(),
            reference: format!("{image}:{key}"),
            digest: "sha256:00".to_owned(),
        },
        platforms: vec!["linux/amd64".to_owned()],
        seconds: 1.5,
        finished: "2026-01-02T03:04:05Z".to_owned(),
        bases: BTreeMap::from([("base".to_owned(), "sha256:11".to_owned())]),
        stored: BTreeSet::from([StoreKind::Local]),
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

fn found(record: Record) -> RecordState {
    RecordState::Found(Box::new(record))
}

#[test]
fn a_record_is_read_as_it_was_written_with_its_inputs() {
    let (folder, store) = store();
    assert_eq!(store.read("app"), RecordState::Missing);
    store.write(&record("app", 1), &input("1")).unwrap();
    store.write(&record("app", 2), &input("2")).unwrap();
    store.write(&record("app.b", 3), &input("3")).unwrap();
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
    // skaffold writes its one state file in place: a kill leaves half of it.
    let (_folder, store) = store();
    store.write(&record("app", 1), &input("1")).unwrap();
    let file = store.record_file("app");
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
        RecordState::Unreadable("another version of imgspec wrote it (schema 7, not 1)".into())
    );
    std::fs::write(&file, text.replace("\"app\"", "\"other\"")).unwrap();
    assert_eq!(
        store.read("app"),
        RecordState::Unreadable("it is of another image".into())
    );
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert!(matches!(store.read("app"), RecordState::Unreadable(_)));
}

#[test]
fn damaged_inputs_are_none() {
    let (_folder, store) = store();
    store.write(&record("app", 1), &input("1")).unwrap();
    std::fs::write(store.listing_file("app", &Key::new([1; 32])), "{").unwrap();
    assert_eq!(store.inputs(&record("app", 1)), None);
    assert_eq!(store.read("app"), found(record("app", 1)));
}

#[test]
fn a_store_that_cannot_be_made_names_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(STATE_FOLDER), "").unwrap();
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains(".imgspec/state/inputs` cannot be written"),
        "{error}"
    );
    assert_eq!(Store::look(folder.path()).read("app"), RecordState::Missing);
}

#[test]
fn a_write_that_fails_leaves_the_old_record() {
    let (_folder, store) = store();
    store.write(&record("app", 1), &input("1")).unwrap();
    // Stands for a full disk: the inputs, written first, cannot be.
    std::fs::create_dir(store.listing_file("app", &Key::new([2; 32]))).unwrap();
    assert!(store.write(&record("app", 2), &input("2")).is_err());
    assert_eq!(store.read("app"), found(record("app", 1)));
    assert_eq!(store.inputs(&record("app", 1)), Some(input("1")));
}

#[test]
fn writers_at_once_never_leave_a_mixture() {
    // skaffold: two processes overwrite each other's state file whole.
    let (_folder, store) = store();
    store.write(&record("app", 0), &input("0")).unwrap();
    let (writers, each) = (4, 10);
    let left = AtomicUsize::new(writers);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (store, left) = (&store, &left);
            scope.spawn(move || {
                for at in 0..each {
                    let key = u8::try_from(writer * each + at).unwrap();
                    store
                        .write(&record("app", key), &input(&key.to_string()))
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
    assert_eq!(store.listing_files("app").len(), 1);
}

const VICTIM: &str = "IMGSPEC_TEST_STORE_VICTIM";

/// Does nothing but in the process that the next test starts and kills.
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
            .write(&record("app", key), &input(&key.to_string()))
            .unwrap();
        drop(lock);
    }
}

#[test]
fn killed_at_any_moment_a_record_is_whole_and_true_and_no_lock_stays() {
    // skaffold: a kill while the state is written; locks that outlive their holder.
    let (folder, store) = store();
    store.write(&record("app", 0), &input("0")).unwrap();
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
    store.write(&record("app", 1), &input("1")).unwrap();
    for unfinished in store.leftovers(&BTreeSet::from(["app"])) {
        assert!(store.remove(&unfinished).unwrap());
    }
    assert_eq!(store.listing_files("app").len(), 1);
    assert!(store.leftovers(&BTreeSet::from(["app"])).is_empty());
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
                    store.write(&record("app", 1), &input("1")).unwrap();
                }
                drop(lock);
            });
        }
    });
    assert_eq!(built.into_inner(), 1);
}

#[test]
fn the_builder_of_a_killed_run_never_sees_the_files_of_the_next() {
    // moby/buildkit#2855: who kills a client does not end the build, and buildx itself outlives us: it may still be reading
    // its context when the next run stages other files for the same image.
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
        store.write(&record(image, 1), &input("1")).unwrap();
        std::fs::create_dir_all(store.context_folder(image).join("x")).unwrap();
        std::fs::write(store.context_folder(image).join("x/y"), "12345").unwrap();
    }
    std::fs::create_dir_all(store.logs()).unwrap();
    std::fs::write(store.log_file("app"), "log").unwrap();
    std::fs::write(store.state().join(".new-abc"), "torn").unwrap();
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
    let left = store.leftovers(&images);
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
        let removed = store.remove(one).unwrap();
        assert_eq!(removed, one.image.as_deref() != Some("busy"));
    }
    let kept: Vec<String> = shown(&store.leftovers(&images)).into_iter().collect();
    assert!(kept.iter().all(|line| line.contains("busy")), "{kept:?}");
    assert_eq!(store.read("app"), found(record("app", 1)));
    assert_eq!(store.inputs(&record("app", 1)), Some(input("1")));
}
