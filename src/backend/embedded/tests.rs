use super::copy::{Copied, copy, folder};
use super::owner::Owner;
use crate::backend::oci::layer::{Node, NodeKind};
use crate::backend::oci::tree::{NoWay, Tree};
use crate::fingerprint::{Entry, EntryKind, Files};

/// A tree of words: `d/` a directory with mode 0700 of user 5, `a>b` a link, others files.
fn tree(words: &str) -> Tree {
    let node = |word: &str| {
        let (path, kind, mode, uid) = match (word.split_once('>'), word.strip_suffix('/')) {
            (Some((path, target)), _) => (path, NodeKind::Link(target.to_owned()), 0o777, 0),
            (_, Some(path)) => (path, NodeKind::Folder, 0o700, 5),
            _ => (word, NodeKind::File(None), 0o644, 0),
        };
        Node {
            path: path.into(),
            kind,
            mode,
            uid,
            gid: uid,
        }
    };
    let mut tree = Tree::default();
    tree.apply(&words.split_whitespace().map(node).collect());
    tree
}

/// A set of words: `x*` is executable, `a>b` a link, `d/` an empty directory.
fn files(words: &str, single: bool) -> Files {
    let entry = |word: &str| {
        let file = |executable| EntryKind::File {
            executable,
            size: 1,
            digest: [0; 32],
        };
        let (path, kind) = match (
            word.split_once('>'),
            word.strip_suffix('/'),
            word.strip_suffix('*'),
        ) {
            (Some((path, target)), ..) => (
                path,
                EntryKind::Link {
                    target: target.to_owned(),
                },
            ),
            (_, Some(path), _) => (path, EntryKind::Folder),
            (.., Some(path)) => (path, file(true)),
            _ => (word, file(false)),
        };
        Entry {
            path: path.into(),
            kind,
        }
    };
    let entries = words.split_whitespace().map(entry).collect();
    Files::new("/nowhere".into(), single, None, entries)
}

/// The entries of a copy as `path mode user`.
fn copied(tree: &Tree, files: &Files, to: &str, owner: Option<u64>) -> Vec<String> {
    let owner = owner.map(|number| Owner {
        user: number,
        group: number,
    });
    let items = copy(tree, files, to, owner).unwrap();
    let words = items.iter().map(|item| {
        let slash = if item.from == Copied::Folder { "/" } else { "" };
        format!("{}{slash} {:o} {}", item.path, item.mode, item.owner.user)
    });
    words.collect()
}

#[test]
fn a_directory_is_copied_into_its_target_and_keeps_what_is_above() {
    let tree = tree("usr/ usr/lib/ lib>usr/lib");
    let files = files("a b/c* b/d>../a e/", false);
    assert_eq!(
        copied(&tree, &files, "/lib/new", Some(7)),
        [
            "usr/ 700 5",
            "usr/lib/ 700 5",
            "usr/lib/new/ 755 7",
            "usr/lib/new/a 644 7",
            "usr/lib/new/b/ 755 7",
            "usr/lib/new/b/c 755 7",
            "usr/lib/new/b/d 777 7",
            "usr/lib/new/e/ 755 7",
        ]
    );
}

#[test]
fn a_file_is_copied_to_its_target_or_into_a_directory() {
    let tree = tree("srv/ here>srv");
    let file = files("a.txt", true);
    assert_eq!(copied(&tree, &file, "/x", None), ["x 644 0"]);
    assert_eq!(
        copied(&tree, &file, "/x/", None),
        ["x/ 755 0", "x/a.txt 644 0"]
    );
    assert_eq!(
        copied(&tree, &file, "/here", None),
        ["srv/ 700 5", "srv/a.txt 644 0"]
    );
    assert_eq!(
        copied(&tree, &file, "/here/b", None),
        ["srv/ 700 5", "srv/b 644 0"]
    );
}

#[test]
fn what_is_copied_meets_only_its_own_kind() {
    let tree = tree("srv/ srv/link>../etc etc/ srv/folder/ srv/file");
    let file = files("link", false);
    assert_eq!(
        copied(&tree, &file, "/srv", None),
        ["srv/ 700 5", "srv/link 644 0"]
    );
    let refused = |words: &str| copy(&tree, &files(words, false), "/srv", None).unwrap_err();
    let words = refused("link/x").to_string();
    assert_eq!(words, "`/srv/link` is not a directory in the image");
    assert_eq!(refused("file/x"), NoWay::NoFolder("srv/file".into()));
    assert_eq!(refused("folder"), NoWay::Folder("srv/folder".into()));
}

#[test]
fn nothing_is_put_below_a_file() {
    let tree = tree("f loop>loop");
    let set = files("a", false);
    assert!(copy(&tree, &set, "/f/x", None).is_err());
    assert!(copy(&tree, &set, "/loop/x", None).is_err());
}

#[test]
fn a_working_directory_is_made_if_it_is_missing() {
    let tree = tree("srv/ there>srv");
    let made = |path: &str| {
        let items = folder(&tree, path, Owner { user: 3, group: 4 }).unwrap();
        let words = items
            .iter()
            .map(|item| format!("{} {:o} {}", item.path, item.mode, item.owner.user));
        words.collect::<Vec<_>>()
    };
    assert_eq!(made("/srv"), [""; 0]);
    assert_eq!(made("/there"), [""; 0]);
    assert_eq!(
        made("/there/a/b"),
        ["srv 700 5", "srv/a 755 3", "srv/a/b 755 3"]
    );
}
