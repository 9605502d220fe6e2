//! Which entries a tree includes, excludes and rejects.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use super::*;

#[test]
fn a_tree_is_listed_in_the_order_of_its_bytes_with_empty_folders() {
    // flytekit hashes in the order of `os.walk`, which is that of the file system.
    let tree = Tree::new(&[
        "src/b",
        "src/a/x",
        "src/a-b",
        "src/empty/",
        "src/.hidden",
        "other",
    ]);
    let files = tree.read("src").unwrap();
    assert_eq!(paths(&files), [".hidden", "a", "a-b", "a/x", "b", "empty"]);
    assert_eq!(files.folder, tree.at("src"));
    assert_eq!((files.single, files.place.as_str()), (false, "src"));
}

#[test]
fn a_set_can_be_one_file() {
    let tree = Tree::new(&["conf/app.toml"]);
    let files = tree.read("conf/app.toml").unwrap();
    assert_eq!(
        (files.single, paths(&files)),
        (true, vec!["app.toml".to_owned()])
    );
    assert_eq!(files.folder, tree.at("conf"));
}

#[test]
fn the_digest_is_of_the_content_and_not_of_the_place_time_or_mode() {
    // garden#5501: the path of the checkout was in the key; skaffold hashes the whole mode, including the umask.
    let names = ["src/a", "src/b/c", "src/run"];
    let (one, two) = (Tree::new(&names), Tree::new(&names));
    for (tree, mode, run) in [(&one, 0o644, 0o755), (&two, 0o600, 0o711)] {
        fs::set_permissions(tree.at("src/a"), Permissions::from_mode(mode)).unwrap();
        fs::set_permissions(tree.at("src/run"), Permissions::from_mode(run)).unwrap();
        fs::set_permissions(tree.at("src/b"), Permissions::from_mode(mode | 0o111)).unwrap();
    }
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1);
    fs::File::open(two.at("src/a"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    assert_eq!(
        one.read("src").unwrap().digest,
        two.read("src").unwrap().digest
    );
}

#[test]
fn every_difference_that_an_image_would_have_is_seen() {
    // flytekit `_pathhash_update` (`a/bc` and `ab/c` are equal), skaffold `fi.Name()` (a file moved between
    // directories), werf#7465 (modes).
    let tree = Tree::new(&["src/a/bc", "src/d", "src/f/"]);
    symlink("d", tree.at("src/link")).unwrap();
    let mut seen = std::collections::BTreeSet::from([tree.read("src").unwrap().digest]);
    let mut differs = |what: &str| assert!(seen.insert(tree.read("src").unwrap().digest), "{what}");
    tree.write("src/d", "other");
    differs("content");
    fs::set_permissions(tree.at("src/d"), Permissions::from_mode(0o755)).unwrap();
    differs("exec bit");
    fs::rename(tree.at("src/a"), tree.at("src/ab")).unwrap();
    differs("folder name");
    fs::rename(tree.at("src/ab/bc"), tree.at("src/ab/c")).unwrap();
    differs("file name");
    fs::rename(tree.at("src/ab/c"), tree.at("src/c")).unwrap();
    differs("file moved between directories");
    fs::remove_dir(tree.at("src/f")).unwrap();
    differs("empty directory removed");
    fs::remove_file(tree.at("src/link")).unwrap();
    symlink("c", tree.at("src/link")).unwrap();
    differs("link target");
    fs::remove_file(tree.at("src/link")).unwrap();
    tree.write("src/link", "c");
    differs("a file instead of a link");
}

#[test]
fn links_are_taken_as_they_are() {
    // turborepo#6046: a broken symlink caused a crash; here, loops and symlinks out of the tree are regular entries.
    let tree = Tree::new(&["src/a"]);
    symlink(".", tree.at("src/loop")).unwrap();
    symlink("/etc/passwd", tree.at("src/out")).unwrap();
    symlink("nowhere", tree.at("src/broken")).unwrap();
    let files = tree.read("src").unwrap();
    let links: Vec<&EntryKind> = files.entries[1..].iter().map(|entry| &entry.kind).collect();
    let link = |target: &str| EntryKind::Link {
        target: target.to_owned(),
    };
    assert_eq!(links, [&link("nowhere"), &link("."), &link("/etc/passwd")]);
}

#[test]
fn a_link_that_is_the_set_itself_is_followed_inside_the_workspace_only() {
    // turborepo#6046, and symlinks as a way out of the workspace.
    let tree = Tree::new(&["real/a", "file", "links/"]);
    symlink("../real", tree.at("links/folder")).unwrap();
    symlink("../file", tree.at("links/named")).unwrap();
    symlink("/etc", tree.at("out")).unwrap();
    symlink("nowhere", tree.at("broken")).unwrap();
    assert_eq!(
        tree.read("links/folder").unwrap().digest,
        tree.read("real").unwrap().digest
    );
    let named = tree.read("links/named").unwrap();
    assert_eq!(paths(&named), ["named"]);
    assert_eq!(
        fs::read_to_string(named.folder.join("named")).unwrap(),
        "file"
    );
    assert_eq!(
        tree.read("out").unwrap_err(),
        FilesError::Outside {
            path: "out".into(),
            said: None
        }
    );
    assert_eq!(
        tree.read("out/passwd").unwrap_err().to_string(),
        "`out/passwd` is outside the workspace"
    );
    assert_eq!(
        tree.read("broken").unwrap_err().to_string(),
        "`broken` is a broken link"
    );
}

#[test]
fn rules_apply_below_their_folder_only() {
    // pulumi-docker-build#980: each context has its own rules.
    let tree = Tree::new(&["app/a.log", "app/b", "app/deep/c.log", "lib/a.log"]);
    tree.write("app/.dockerignore", "**/*.log\n");
    assert_eq!(
        paths(&tree.read_with("", "app").unwrap()),
        [
            "app",
            "app/.dockerignore",
            "app/b",
            "app/deep",
            "lib",
            "lib/a.log"
        ]
    );
    assert_eq!(
        paths(&tree.read_with("app/deep", "app").unwrap()),
        Vec::<String>::new()
    );
    assert_eq!(paths(&tree.read_with("lib", "app").unwrap()), ["a.log"]);
    assert_eq!(paths(&tree.read_with("app/deep", "").unwrap()), ["c.log"]);
}

#[test]
fn an_exception_brings_its_folders_back() {
    // pulumi-docker#594.
    let tree = Tree::new(&["d/x/keep", "d/x/drop", "d/y/drop", "e"]);
    tree.write(".dockerignore", "d\n.dockerignore\n!d/x/keep\n");
    assert_eq!(tree.paths(""), ["d", "d/x", "d/x/keep", "e"]);
    assert_eq!(tree.paths("d"), ["x", "x/keep"]);
}

#[test]
fn the_text_of_the_rules_is_no_input_unless_it_is_copied() {
    // rcds#117, flyte-sdk#799: the text of the rules is not part of the content.
    let tree = Tree::new(&["src/a", "src/b"]);
    tree.write(".dockerignore", "src/b");
    let before = tree.read("src").unwrap().digest;
    tree.write(".dockerignore", "# the same\n**/b");
    assert_eq!(tree.read("src").unwrap().digest, before);
}

#[test]
fn a_set_that_the_rules_leave_out_names_the_rule() {
    let tree = Tree::new(&["app/src/a", "app/b.txt"]);
    tree.write("app/.dockerignore", "# no\nsrc\n*.txt\n");
    for (path, rule, line) in [
        ("app/src", "src", 2),
        ("app/src/a", "src", 2),
        ("app/b.txt", "*.txt", 3),
    ] {
        let error = tree.read_with(path, "app").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{path}` is excluded by the rule `{rule}`")
        );
        assert_eq!(error.place(), Some(("app/.dockerignore", line)));
    }
    tree.write("app/.dockerignore", "ok\na[");
    let error = tree.read_with("app", "app").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a[` is not a pattern: the `[` is not closed"
    );
    assert_eq!(error.place(), Some(("app/.dockerignore", 2)));
}

#[test]
fn the_state_folder_is_never_in() {
    let tree = Tree::new(&["a", ".imgspec/state/x", "sub/.imgspec/y"]);
    assert_eq!(
        tree.paths(""),
        ["a", "sub", "sub/.imgspec", "sub/.imgspec/y"]
    );
    let error = tree.read(".imgspec/state").unwrap_err();
    assert_eq!(
        error,
        FilesError::State {
            path: ".imgspec/state".into()
        }
    );
}

#[test]
fn what_is_no_file_is_refused_unless_left_out() {
    let tree = Tree::new(&["src/a"]);
    let _socket = std::os::unix::net::UnixListener::bind(tree.at("src/s")).unwrap();
    assert_eq!(
        tree.read("src").unwrap_err().to_string(),
        "`src/s` is a socket"
    );
    assert_eq!(
        tree.read("src/s").unwrap_err().to_string(),
        "`src/s` is a socket, not a file"
    );
    tree.write(".dockerignore", "src/s");
    assert_eq!(tree.paths("src"), ["a"]);
}

#[test]
fn names_that_are_not_utf_8_are_refused_unless_left_out() {
    // moby#47343 and similar: names that differ between systems.
    use std::os::unix::ffi::OsStrExt;
    let tree = Tree::new(&["src/a"]);
    let name = tree.at("src").join(std::ffi::OsStr::from_bytes(b"x\xff"));
    if fs::write(name, "").is_err() {
        return; // The file system does not support such names.
    }
    let error = tree.read("src").unwrap_err().to_string();
    assert_eq!(error, "the name `src/x\u{fffd}` is not UTF-8");
    tree.write(".dockerignore", "src/x*");
    assert_eq!(tree.paths("src"), ["a"]);
}

#[test]
fn folders_of_any_depth_are_read() {
    let tree = Tree::new(&[]);
    let deep = "d/".repeat(900) + "f";
    tree.write(&deep, "x");
    assert_eq!(tree.read("").unwrap().entries.len(), 901);
}
