//! Files of imgspec and git are excluded from sets unless an ignore file names them.

use std::os::unix::fs::symlink;

use super::*;

/// A workspace whose manifests are `imgspec.kdl` and `services/a/imgspec.kdl`.
const NAMES: [&str; 13] = [
    ".git/HEAD",
    ".git/objects/aa/1",
    ".gitignore",
    ".imgspec/records/x.json",
    "imgspec.kdl",
    "imgspec.lock",
    "examples/imgspec.kdl",
    "examples/.imgspec/records/y.json",
    "services/a/imgspec.kdl",
    "services/a/main.py",
    "services/a/imgspec.lock",
    "vendor/lib/.git",
    "vendor/lib/x.py",
];

fn own() -> Own {
    let files = ["imgspec.kdl", "services/a/imgspec.kdl", "imgspec.lock"];
    Own::files(files.map(at).into())
}

/// The files of a tree with these rules, without directories.
#[track_caller]
fn files_of(tree: &Tree, path: &str, rules: &str) -> Vec<String> {
    tree.write(".dockerignore", rules);
    let set = FileSet::Tree {
        path: at(path),
        ignore: at(""),
        own: own(),
    };
    let files = read_files(tree.0.path(), &set).unwrap();
    let entries = files.entries.iter();
    let is_file = |entry: &&Entry| matches!(entry.kind, EntryKind::File { .. });
    let paths = entries.filter(is_file).map(|entry| entry.path.clone());
    paths.filter(|path| path != ".dockerignore").collect()
}

#[test]
fn manifests_lock_state_and_git_are_left_out() {
    let tree = Tree::new(&NAMES);
    let rest = [
        ".gitignore",
        // A manifest of another workspace, and a file that merely has the lock's name.
        "examples/imgspec.kdl",
        "services/a/imgspec.lock",
        "services/a/main.py",
        "vendor/lib/x.py",
    ];
    assert_eq!(files_of(&tree, "", ""), rest);
    assert_eq!(
        files_of(&tree, "services", ""),
        ["a/imgspec.lock", "a/main.py"]
    );
    // If they are not excluded, directories that contain only them are included too.
    let all = tree.read("").unwrap();
    assert!(paths(&all).contains(&".git/HEAD".to_owned()));
}

#[test]
fn an_ignore_file_that_names_them_brings_them_back() {
    let tree = Tree::new(&NAMES);
    let back = |rules: &str| -> Vec<String> {
        let without = files_of(&tree, "", "");
        let mut with = files_of(&tree, "", rules);
        with.retain(|path| !without.contains(path));
        with
    };
    assert_eq!(back("!imgspec.kdl"), ["imgspec.kdl"]);
    assert_eq!(
        back("!**/imgspec.kdl\n!imgspec.lock"),
        ["imgspec.kdl", "imgspec.lock", "services/a/imgspec.kdl"]
    );
    assert_eq!(back("!.git"), [".git/HEAD", ".git/objects/aa/1"]);
    assert_eq!(back("!.git/HEAD"), [".git/HEAD"]);
    assert_eq!(back("!.git/objects"), [".git/objects/aa/1"]);
    assert_eq!(back("!vendor/*/.git"), ["vendor/lib/.git"]);
    assert_eq!(back("!**/.imgspec"), ["examples/.imgspec/records/y.json"]);
    // Rules for their directories do not include them.
    for aside in [
        "!services",
        "!services/**",
        "!*",
        "!**",
        "*\n!services\n!vendor/lib",
    ] {
        assert_eq!(back(aside), [""; 0], "{aside}");
    }
    // As always, the last rule that names it wins.
    assert_eq!(back("!imgspec.kdl\n*.kdl"), [""; 0]);
    // Regular ignore rules still apply.
    assert_eq!(files_of(&tree, "", "*\n!imgspec.kdl"), ["imgspec.kdl"]);
}

#[test]
fn what_the_manifest_names_is_in() {
    let tree = Tree::new(&NAMES);
    assert_eq!(files_of(&tree, "imgspec.kdl", ""), ["imgspec.kdl"]);
    assert_eq!(files_of(&tree, ".git", ""), ["HEAD", "objects/aa/1"]);
    assert_eq!(files_of(&tree, "vendor/lib/.git", ""), [".git"]);
    // The state directory of this workspace changes with every build, so it is in no image.
    let state = FileSet::Tree {
        path: at(".imgspec"),
        ignore: at(""),
        own: own(),
    };
    let refused = read_files(tree.0.path(), &state);
    assert!(matches!(refused, Err(FilesError::State { .. })));
}

#[test]
fn links_lead_to_what_is_left_out_by_its_real_path() {
    let tree = Tree::new(&NAMES);
    symlink("services", tree.at("current")).unwrap();
    assert_eq!(
        files_of(&tree, "current", ""),
        ["a/imgspec.lock", "a/main.py"]
    );
}

#[test]
fn the_context_of_a_dockerfile_is_without_them_too() {
    let tree = Tree::new(&NAMES);
    let context = |rules: Option<&str>| -> Vec<String> {
        if let Some(rules) = rules {
            tree.write("services/a/Dockerfile.dockerignore", rules);
        }
        let set = FileSet::Context {
            path: at("services/a"),
            dockerfile: at("services/a/Dockerfile"),
            own: own(),
        };
        let files = read_files(tree.0.path(), &set).unwrap();
        let mut paths = paths(&files);
        paths.retain(|path| !path.ends_with("dockerignore"));
        paths
    };
    assert_eq!(context(None), ["imgspec.lock", "main.py"]);
    assert_eq!(context(Some("main.py")), ["imgspec.lock"]);
    assert_eq!(
        context(Some("!imgspec.kdl")),
        ["imgspec.kdl", "imgspec.lock", "main.py"]
    );
}
