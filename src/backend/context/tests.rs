//! Staging of real files.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use super::*;

fn file(path: &str, content: &str, executable: bool) -> Entry {
    Entry {
        path: path.into(),
        kind: EntryKind::File {
            executable,
            size: content.len() as u64,
            digest: *blake3::hash(content.as_bytes()).as_bytes(),
        },
    }
}

fn link(path: &str, target: &str) -> Entry {
    Entry {
        path: path.into(),
        kind: EntryKind::Link {
            target: target.into(),
        },
    }
}

fn folder(path: &str) -> Entry {
    Entry {
        path: path.into(),
        kind: EntryKind::Folder,
    }
}

/// Creates a directory with `bin/run` (executable), `a.txt` and a link, and returns its file set.
fn sample(at: &Path) -> Files {
    fs::create_dir_all(at.join("bin")).unwrap();
    fs::create_dir_all(at.join("empty")).unwrap();
    fs::write(at.join("a.txt"), "alpha").unwrap();
    fs::write(at.join("bin/run"), "#!/bin/sh").unwrap();
    fs::set_permissions(at.join("bin/run"), Permissions::from_mode(0o711)).unwrap();
    symlink("a.txt", at.join("link")).unwrap();
    let entries = vec![
        file("a.txt", "alpha", false),
        folder("bin"),
        file("bin/run", "#!/bin/sh", true),
        folder("empty"),
        link("link", "a.txt"),
    ];
    Files::new(at.to_owned(), false, None, entries)
}

#[test]
fn the_copy_has_the_contents_and_plain_modes() {
    let dir = tempfile::tempdir().unwrap();
    let files = sample(&dir.path().join("source"));
    let to = dir.path().join("to");
    stage(&files, &to).unwrap();
    assert_eq!(fs::read_to_string(to.join("a.txt")).unwrap(), "alpha");
    let mode = |path: &str| fs::symlink_metadata(to.join(path)).unwrap().mode() & 0o7777;
    assert_eq!((mode("a.txt"), mode("bin/run")), (0o644, 0o755));
    assert_eq!((mode("bin"), mode("empty")), (0o755, 0o755));
    let target = fs::read_link(to.join("link")).unwrap();
    assert_eq!(target, Path::new("a.txt"));
}

/// buildkit#2592
#[test]
fn equal_contents_have_equal_times_and_others_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    let times = |to: &str| {
        let to = dir.path().join(to);
        let meta = |path: &str| fs::symlink_metadata(to.join(path)).unwrap();
        ["a.txt", "bin/run", "bin", "link", ""].map(|path| {
            let meta = meta(path);
            (meta.mtime(), meta.mtime_nsec())
        })
    };
    let mut files = sample(&source);
    stage(&files, &dir.path().join("one")).unwrap();
    stage(&files, &dir.path().join("two")).unwrap();
    assert_eq!(times("one"), times("two"));
    fs::write(source.join("a.txt"), "alphb").unwrap();
    files.entries[0] = file("a.txt", "alphb", false);
    stage(&files, &dir.path().join("three")).unwrap();
    assert_ne!(times("one")[0], times("three")[0]);
    assert_eq!(times("one")[1..], times("three")[1..]);
}

/// flytekit#3246
#[test]
fn whatever_is_not_what_was_hashed_is_noticed() {
    type Spoil = fn(&Path);
    let spoil: [(&str, Spoil); 6] = [
        ("a.txt", |at| fs::write(at.join("a.txt"), "alphx").unwrap()),
        ("a.txt", |at| fs::write(at.join("a.txt"), "longer").unwrap()),
        ("a.txt", |at| fs::remove_file(at.join("a.txt")).unwrap()),
        ("a.txt", |at| {
            fs::rename(at.join("a.txt"), at.join("b.txt")).unwrap();
            symlink("b.txt", at.join("a.txt")).unwrap();
        }),
        ("bin/run", |at| {
            let plain = Permissions::from_mode(0o644);
            fs::set_permissions(at.join("bin/run"), plain).unwrap();
        }),
        ("link", |at| {
            fs::remove_file(at.join("link")).unwrap();
            symlink("bin", at.join("link")).unwrap();
        }),
    ];
    for (path, spoil) in spoil {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        let mut files = sample(&source);
        files.place = "services/x".into();
        spoil(&source);
        let moved = BuildError::Moved {
            path: format!("services/x/{path}"),
        };
        assert_eq!(stage(&files, &dir.path().join("to")), Err(moved));
    }
}

#[test]
fn a_single_file_may_be_a_link_and_requirements_need_no_listed_folders() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("deep")).unwrap();
    fs::write(dir.path().join("deep/real"), "x").unwrap();
    symlink("deep/real", dir.path().join("name")).unwrap();
    let single = Files::new(
        dir.path().into(),
        true,
        None,
        vec![file("name", "x", false)],
    );
    stage(&single, &dir.path().join("one")).unwrap();
    assert!(
        fs::symlink_metadata(dir.path().join("one/name"))
            .unwrap()
            .is_file()
    );
    let entries = vec![file("deep/real", "x", false)];
    let set = Files::new(dir.path().into(), false, Some("deep/real".into()), entries);
    stage(&set, &dir.path().join("two")).unwrap();
    assert!(dir.path().join("two/deep/real").is_file());
}

#[test]
fn many_files_are_copied_by_several_threads() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    let entries = (0..500).map(|at| {
        let (name, content) = (format!("f{at:03}"), format!("content {at}"));
        fs::write(source.join(&name), &content).unwrap();
        file(&name, &content, false)
    });
    let files = Files::new(source.clone(), false, None, entries.collect());
    stage(&files, &dir.path().join("to")).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("to")).unwrap().count(), 500);
}

#[test]
fn nothing_is_staged_or_removed_behind_a_link_in_the_state_folder() {
    let dir = tempfile::tempdir().unwrap();
    let files = sample(&dir.path().join("source"));
    let outside = dir.path().join("outside");
    fs::create_dir_all(outside.join("mine")).unwrap();
    fs::create_dir(dir.path().join(".imgspec")).unwrap();
    symlink(&outside, dir.path().join(".imgspec/contexts")).unwrap();
    let to = dir.path().join(".imgspec/contexts/mine");
    let refused = stage(&files, &to).unwrap_err().to_string();
    assert!(
        refused.starts_with("`.imgspec/contexts` is a symbolic link, not a directory: "),
        "{refused}"
    );
    let job = Job {
        image: "a",
        recipe: &crate::recipe::Recipe::default(),
        key: &crate::fingerprint::Key::new([0; 32]),
        reference: "a:1",
        files: &[],
        bases: std::collections::BTreeMap::new(),
        outside: &crate::fingerprint::Outside::default(),
        no_cache: false,
        is_base: false,
        root: dir.path(),
        scratch: to,
    };
    drop_scratch(&job);
    assert!(scratch(&job).is_err());
    assert!(outside.join("mine").is_dir());
    fs::remove_file(dir.path().join(".imgspec/contexts")).unwrap();
    fs::create_dir_all(job.scratch.join("old")).unwrap();
    assert!(scratch(&job).unwrap().entries().unwrap().is_empty());
    drop_scratch(&job);
    assert!(!job.scratch.exists());
}
