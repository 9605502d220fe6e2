//! Files that are not all in the repository: submodules, and clones that lack objects.

use super::FOUR;
use super::repository::{commit, git, keys, names, reasons, repository};
use crate::sandbox::Sandbox;

/// A workspace whose image `train` has a submodule in its sources.
fn with_submodule() -> (Sandbox, Sandbox) {
    let library = repository(&[("lib.py", "one\n"), ("deep/x", "x\n")]);
    let sandbox = repository(&[("imgspec.kdl", FOUR), ("src/main.py", "1"), ("docs/a", "1")]);
    let root = sandbox.root();
    let url = library.root();
    git(
        &root,
        &[
            "submodule",
            "--quiet",
            "add",
            url.to_str().unwrap(),
            "src/library",
        ],
    );
    commit(&root);
    (sandbox, library)
}

#[test]
fn a_submodule_is_compared_by_the_files_of_its_commits() {
    let (sandbox, _library) = with_submodule();
    let root = sandbox.root();
    assert!(names(&sandbox, &["--affected=HEAD"]).is_empty());
    let before = keys(&sandbox, &root);
    sandbox.write("src/library/lib.py", "two\n");
    let expected = [
        "train input-changed:copy[0]:src/library/lib.py",
        "serve base-affected:train",
    ];
    assert_eq!(reasons(&sandbox, &["--affected=HEAD"]), expected);
    commit(&sandbox.path("src/library"));
    commit(&root);
    assert!(names(&sandbox, &["--affected=HEAD"]).is_empty());
    assert_eq!(reasons(&sandbox, &["--affected=HEAD~1"]), expected);
    // The keys of the past are those that the same files had.
    git(&root, &["checkout", "--quiet", "HEAD~1"]);
    git(&root, &["submodule", "--quiet", "update"]);
    assert_eq!(keys(&sandbox, &root), before);
    assert_eq!(names(&sandbox, &["--affected=main"]), ["serve", "train"]);
}

#[test]
fn a_submodule_that_is_not_checked_out_is_empty_on_both_sides() {
    let (sandbox, _library) = with_submodule();
    let clone = Sandbox::new();
    let url = sandbox.root();
    git(
        &clone.root(),
        &["clone", "--quiet", url.to_str().unwrap(), "."],
    );
    assert!(names(&clone, &["--affected=HEAD"]).is_empty());
    clone.write("docs/a", "2");
    assert_eq!(names(&clone, &["--affected=HEAD"]), ["docs"]);
}

#[test]
fn a_commit_of_a_submodule_that_is_not_here_makes_its_images_unknown() {
    let (sandbox, library) = with_submodule();
    let root = sandbox.root();
    let missing = "1234567890123456789012345678901234567890";
    let entry = format!("160000,{missing},src/library");
    git(&root, &["update-index", "--cacheinfo", &entry]);
    git(
        &root,
        &["commit", "--quiet", "-m", "a commit that nobody has"],
    );
    drop(library);
    let found = reasons(&sandbox, &["--affected=HEAD"]);
    assert!(
        found[0].starts_with(
            "train unknown:commit 123456789012 of the submodule `src/library` is not here: "
        ),
        "{found:?}"
    );
    assert_eq!(found[1..], ["serve base-affected:train"]);
}

#[test]
fn an_object_that_the_clone_lacks_makes_its_images_unknown() {
    let sandbox = repository(&[
        ("imgspec.kdl", FOUR),
        ("src/main.py", "1"),
        ("docs/a", "to be lost"),
    ]);
    let root = sandbox.root();
    let object = git(&root, &["rev-parse", "HEAD:docs/a"]);
    let (folder, name) = object.split_at(2);
    std::fs::remove_file(root.join(".git/objects").join(folder).join(name)).unwrap();
    let expected = ["docs unknown:the content of `docs/a` is not in this clone"];
    assert_eq!(reasons(&sandbox, &["--affected=HEAD"]), expected);
    // Without the list of its files, nothing can be said.
    let object = git(&root, &["rev-parse", "HEAD^{tree}"]);
    let (folder, name) = object.split_at(2);
    std::fs::remove_file(root.join(".git/objects").join(folder).join(name)).unwrap();
    sandbox
        .run(&["graph", "plan", "--affected=HEAD"])
        .code(2)
        .says("the files of `HEAD`")
        .says("cannot be read: not a tree object");
}
