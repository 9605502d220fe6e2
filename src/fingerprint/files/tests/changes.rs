//! Requirements with includes; detecting changes; reading each set once.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;

#[test]
fn requirements_bring_what_they_include_each_once() {
    let tree = Tree::new(&[]);
    tree.write(
        "svc/app/requirements.txt",
        "-r ../common.txt\nnumpy # x\n-c pins/all.txt\n",
    );
    tree.write("svc/common.txt", "-r app/requirements.txt\n");
    tree.write("svc/app/pins/all.txt", "numpy==1\n");
    let files = tree.requirements("svc/app/requirements.txt").unwrap();
    assert_eq!(
        paths(&files),
        ["app/pins/all.txt", "app/requirements.txt", "common.txt"]
    );
    assert_eq!(files.main.as_deref(), Some("app/requirements.txt"));
    assert_eq!(
        (files.folder.clone(), files.place.as_str()),
        (tree.at("svc"), "svc")
    );
    tree.write("svc/app/pins/all.txt", "numpy==2\n");
    let changed = tree.requirements("svc/app/requirements.txt").unwrap();
    assert_ne!(changed.digest, files.digest);
}

#[test]
fn mistakes_in_requirements_name_file_and_line() {
    let tree = Tree::new(&[]);
    tree.write("a/main.txt", "\n-r more.txt\n");
    for (text, error) in [
        (
            "x\n./pkg\n",
            "`./pkg` is a local path, which the build cannot access",
        ),
        ("x\n-r no.txt\n", "`a/no.txt` does not exist"),
        (
            "x\n-c ../../x.txt\n",
            "`../../x.txt` is outside the workspace",
        ),
    ] {
        tree.write("a/more.txt", text);
        let found = tree.requirements("a/main.txt").unwrap_err();
        assert_eq!(found.to_string(), error);
        assert_eq!(found.place(), Some(("a/more.txt", 2)));
    }
    fs::write(tree.at("a/more.txt"), b"\xff").unwrap();
    let found = tree.requirements("a/main.txt").unwrap_err();
    assert_eq!(
        found,
        FilesError::Text {
            path: "a/more.txt".into()
        }
    );
}

#[test]
fn what_changed_since_it_was_read_is_noticed_whatever_the_clock_says() {
    // moby/buildkit#2592 (same size and time, different content), flytekit#3246 (changed between hashing and upload).
    let tree = Tree::new(&["src/a", "src/b", "src/d/c"]);
    let files = tree.read("src").unwrap();
    assert_eq!(files.moved(), None);
    let time = fs::metadata(tree.at("src/b")).unwrap().modified().unwrap();
    tree.write("src/b", "SRC/B");
    fs::File::open(tree.at("src/b"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    assert_eq!(files.moved().as_deref(), Some("src/b"));
    tree.write("src/b", "src/b");
    assert_eq!(files.moved(), None, "the same bytes again are no change");
    tree.write("src/new", "");
    assert_eq!(files.moved().as_deref(), Some("src/new"));
    fs::remove_file(tree.at("src/new")).unwrap();
    fs::set_permissions(tree.at("src/d/c"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(files.moved().as_deref(), Some("src/d/c"));
    fs::remove_dir_all(tree.at("src")).unwrap();
    assert_eq!(files.moved().as_deref(), Some("src"));
}

#[test]
fn old_files_are_not_read_again_unless_their_times_changed() {
    let tree = Tree::new(&["src/a"]);
    let from = reading::open(&tree.at(""), &Stop::default()).unwrap();
    let at = Path::new("src/a");
    let mark = content::hash(&from, at, u64::MAX).unwrap().mark;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let now = i64::try_from(now).unwrap();
    assert!(mark.is_still(&from.root, at));
    assert!(mark.is_racy(now));
    assert!(!mark.is_racy(now + 5));
    std::thread::sleep(Duration::from_millis(20));
    tree.write("src/a", "SRC/A");
    assert!(!mark.is_still(&from.root, at));
}

#[test]
fn changes_of_requirements_are_noticed() {
    let tree = Tree::new(&[]);
    tree.write("r.txt", "-r s.txt\n");
    tree.write("s.txt", "numpy\n");
    let files = tree.requirements("r.txt").unwrap();
    assert_eq!(files.moved(), None);
    tree.write("s.txt", "torch\n");
    assert_eq!(files.moved().as_deref(), Some("s.txt"));
}

#[test]
fn a_reader_reads_a_set_once_until_told_to_forget_it() {
    let tree = Tree::new(&["a"]);
    let reader = FileReader::new(tree.0.path()).unwrap();
    let set = FileSet::Tree {
        path: at("a"),
        ignore: at(""),
        own: Own::NOTHING,
    };
    let missing = FileSet::Tree {
        path: at("b"),
        ignore: at(""),
        own: Own::NOTHING,
    };
    let first = reader.read(&set).unwrap();
    tree.write("a", "changed");
    tree.write("b", "new");
    let both = reader.read_all(&[&missing, &set]);
    assert!(Arc::ptr_eq(both[1].as_ref().unwrap(), &first));
    assert!(both[0].is_ok());
    reader.forget(&set);
    assert_ne!(reader.read(&set).unwrap().digest, first.digest);
}

#[test]
fn a_worker_of_another_pool_can_ask_the_reader() {
    let tree = Tree::new(&["a"]);
    let reader = FileReader::new(tree.0.path()).unwrap();
    let set = FileSet::Tree {
        path: at("a"),
        ignore: at(""),
        own: Own::NOTHING,
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert!(pool.install(|| reader.read(&set)).is_ok());
}

#[test]
fn reading_that_nobody_waits_for_is_given_up() {
    let tree = Tree::new(&["src/a"]);
    let large = fs::File::create(tree.at("src/large")).unwrap();
    large.set_len(1 << 40).unwrap();
    let path = at("src");
    let set = FileSet::Tree {
        ignore: at(""),
        own: Own::NOTHING,
        path,
    };
    let reader = FileReader::new(tree.0.path()).unwrap();
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        let read = scope.spawn(|| reader.read(&set));
        std::thread::sleep(Duration::from_millis(50));
        reader.stop();
        let error = read.join().unwrap().unwrap_err();
        let said = "`src/large` cannot be read: operation interrupted";
        assert_eq!(error.to_string(), said);
    });
    assert!(begun.elapsed() < Duration::from_secs(20));
    large.set_len(1).unwrap();
    reader.go_on();
    reader.forget(&set);
    let files = reader.read(&set).unwrap();
    tree.write("src/a", "other");
    assert_eq!(files.moved().as_deref(), Some("src/a"));
    reader.stop();
    assert_eq!(files.moved(), None);
}
