//! File sets on a real disk: what is in, what is out, what is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use super::*;

struct Tree(tempfile::TempDir);

impl Tree {
    /// Files hold their own names; a name that ends in `/` is a folder.
    fn new(names: &[&str]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for name in names {
            match name.strip_suffix('/') {
                Some(folder) => fs::create_dir_all(tree.at(folder)).unwrap(),
                None => tree.write(name, name),
            }
        }
        tree
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let at = self.at(name);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }

    fn read(&self, path: &str) -> Result<Files, FilesError> {
        self.read_with(path, "")
    }

    /// Reads a tree under the rules of a folder.
    fn read_with(&self, path: &str, ignore: &str) -> Result<Files, FilesError> {
        let (path, ignore) = (at(path), at(ignore));
        read_files(self.0.path(), &FileSet::Tree { path, ignore })
    }

    fn requirements(&self, path: &str) -> Result<Files, FilesError> {
        read_files(self.0.path(), &FileSet::Requirements { path: at(path) })
    }

    fn paths(&self, path: &str) -> Vec<String> {
        paths(&self.read(path).unwrap())
    }
}

fn at(path: &str) -> WorkspacePath {
    WorkspacePath::resolve(&WorkspacePath::default(), path).unwrap()
}

fn paths(files: &Files) -> Vec<String> {
    files
        .entries
        .iter()
        .map(|entry| entry.path.clone())
        .collect()
}

#[test]
fn trap_4_a_tree_is_listed_in_the_order_of_its_bytes_with_empty_folders() {
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
fn trap_5_the_digest_is_of_the_content_and_not_of_the_place_time_or_mode() {
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
fn traps_1_to_4_every_difference_that_an_image_would_have_is_seen() {
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
    differs("file moved between folders");
    fs::remove_dir(tree.at("src/f")).unwrap();
    differs("empty folder removed");
    fs::remove_file(tree.at("src/link")).unwrap();
    symlink("c", tree.at("src/link")).unwrap();
    differs("link target");
    fs::remove_file(tree.at("src/link")).unwrap();
    tree.write("src/link", "c");
    differs("a file instead of a link");
}

#[test]
fn trap_3_links_are_taken_as_they_are() {
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
fn trap_3_a_link_that_is_the_set_itself_is_followed_inside_the_workspace_only() {
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
        "`out/passwd` lies outside the workspace"
    );
    assert_eq!(
        tree.read("broken").unwrap_err().to_string(),
        "`broken` does not exist"
    );
}

#[test]
fn trap_7_rules_apply_below_their_folder_only() {
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
fn trap_7_an_exception_brings_its_folders_back() {
    let tree = Tree::new(&["d/x/keep", "d/x/drop", "d/y/drop", "e"]);
    tree.write(".dockerignore", "d\n.dockerignore\n!d/x/keep\n");
    assert_eq!(tree.paths(""), ["d", "d/x", "d/x/keep", "e"]);
    assert_eq!(tree.paths("d"), ["x", "x/keep"]);
}

#[test]
fn trap_7_the_text_of_the_rules_is_no_input_unless_it_is_copied() {
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
            format!("`{path}` is left out by the rule `{rule}`")
        );
        assert_eq!(error.place(), Some(("app/.dockerignore", line)));
    }
    tree.write("app/.dockerignore", "ok\na[");
    let error = tree.read_with("app", "app").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a[` is no pattern: the `[` is not closed"
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
        "`src/s` is a socket"
    );
    tree.write(".dockerignore", "src/s");
    assert_eq!(tree.paths("src"), ["a"]);
}

#[test]
fn trap_37_names_that_are_not_utf_8_are_refused_unless_left_out() {
    use std::os::unix::ffi::OsStrExt;
    let tree = Tree::new(&["src/a"]);
    let name = tree.at("src").join(std::ffi::OsStr::from_bytes(b"x\xff"));
    if fs::write(name, "").is_err() {
        return; // A file system that has no such names.
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
            "`./pkg` is a path on this machine, which the build does not see",
        ),
        ("x\n-r no.txt\n", "`a/no.txt` does not exist"),
        (
            "x\n-c ../../x.txt\n",
            "`../../x.txt` lies outside the workspace",
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
fn trap_14_and_15_what_changed_since_it_was_read_is_noticed_whatever_the_clock_says() {
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
    assert!(files.unchanged(), "the same bytes again are no change");
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
    let mark = Mark::now(&tree.at("src/a")).unwrap();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let now = i64::try_from(now).unwrap();
    assert!(mark.is_racy(now));
    assert!(!mark.is_racy(now + 5));
    std::thread::sleep(Duration::from_millis(20));
    tree.write("src/a", "SRC/A");
    assert_ne!(Mark::now(&tree.at("src/a")).unwrap(), mark);
}

#[test]
fn changes_of_requirements_are_noticed() {
    let tree = Tree::new(&[]);
    tree.write("r.txt", "-r s.txt\n");
    tree.write("s.txt", "numpy\n");
    let files = tree.requirements("r.txt").unwrap();
    assert!(files.unchanged());
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
    };
    let missing = FileSet::Tree {
        path: at("b"),
        ignore: at(""),
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
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert!(pool.install(|| reader.read(&set)).is_ok());
}
