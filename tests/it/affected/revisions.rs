//! Which commit is compared with, and errors if there is none.

use super::repository::{affected, commit, git, names, repository};
use super::{FOUR, four};
use crate::sandbox::Sandbox;

/// A branch of two commits beside `main`, which has one more too.
fn branched() -> Sandbox {
    let sandbox = four();
    let root = sandbox.root();
    git(&root, &["checkout", "--quiet", "-b", "feature"]);
    sandbox.write("docs/index.md", "# One\n");
    commit(&root);
    sandbox.write("docs/index.md", "# Two\n");
    commit(&root);
    git(&root, &["checkout", "--quiet", "main"]);
    sandbox.write("src/main.py", "print('main')\n");
    commit(&root);
    git(&root, &["checkout", "--quiet", "feature"]);
    sandbox
}

/// A clone of a repository, made with these flags.
fn cloned(from: &Sandbox, flags: &[&str]) -> Sandbox {
    git(&from.root(), &["checkout", "--quiet", "main"]);
    let sandbox = Sandbox::new();
    let url = format!("file://{}", from.root().display());
    git(
        &sandbox.root(),
        &[&["clone", "--quiet"], flags, &[&url, "."]].concat(),
    );
    sandbox
}

#[track_caller]
fn since(sandbox: &Sandbox, arguments: &[&str]) -> String {
    affected(sandbox, arguments)["since"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn the_default_is_where_the_branch_left_the_upstream_one() {
    let sandbox = branched();
    assert_eq!(names(&sandbox, &["--affected"]), ["docs"]);
    assert_eq!(
        since(&sandbox, &["--affected"]),
        "the merge base with `main`"
    );
    assert_eq!(
        names(&sandbox, &["--affected=main"]),
        ["docs", "serve", "train"]
    );
    assert_eq!(names(&sandbox, &["--affected=main..."]), ["docs"]);
    assert_eq!(
        since(&sandbox, &["--affected=main..."]),
        "the merge base with `main`"
    );
    let clone = cloned(&sandbox, &["--branch", "feature"]);
    assert_eq!(names(&clone, &["--affected"]), ["docs"]);
    assert_eq!(
        since(&clone, &["--affected"]),
        "the merge base with `origin/HEAD`"
    );
    let root = clone.root();
    git(&root, &["remote", "set-head", "origin", "--delete"]);
    assert_eq!(
        since(&clone, &["--affected"]),
        "the merge base with `origin/main`"
    );
    // On the upstream branch itself, nothing is left to compare but what is not committed.
    git(&root, &["checkout", "--quiet", "main"]);
    assert!(names(&clone, &["--affected"]).is_empty());
    let plan = clone.run(&["graph", "plan", "--affected"]).success();
    plan.says("the current commit");
}

#[test]
fn build_servers_say_what_a_request_is_compared_with() {
    let sandbox = branched();
    let base = git(&sandbox.root(), &["merge-base", "main", "feature"]);
    let clone = cloned(&sandbox, &["--branch", "feature"]).env("GITHUB_BASE_REF", "main");
    assert_eq!(names(&clone, &["--affected"]), ["docs"]);
    assert_eq!(
        since(&clone, &["--affected"]),
        "the merge base with `origin/main`"
    );
    let clone = clone.env("GITHUB_BASE_REF", "nowhere");
    clone
        .run(&["graph", "plan", "--affected"])
        .code(2)
        .says("git knows no commit `origin/nowhere`");
    assert_eq!(names(&clone, &["--affected=HEAD~1"]), ["docs"]);
    let clone = clone.env("CI_MERGE_REQUEST_DIFF_BASE_SHA", &base);
    assert_eq!(names(&clone, &["--affected"]), ["docs"]);
    assert_eq!(affected(&clone, &["--affected"])["commit"], base.as_str());
}

#[test]
fn a_shallow_clone_says_how_to_fetch_what_it_lacks() {
    let sandbox = branched();
    let clone = cloned(&sandbox, &["--depth", "1", "--branch", "feature"]);
    clone.write("docs/index.md", "# Three\n");
    // What is there can be compared with.
    assert_eq!(names(&clone, &["--affected=HEAD"]), ["docs"]);
    for revision in ["--affected=HEAD~1", "--affected", "--affected=main"] {
        clone
            .run(&["graph", "plan", revision])
            .code(2)
            .says("this clone is shallow: it does not have")
            .says("git fetch --unshallow")
            .says("fetch-depth: 0");
    }
    git(&clone.root(), &["fetch", "--quiet", "--unshallow"]);
    git(
        &clone.root(),
        &[
            "fetch",
            "--quiet",
            "origin",
            "main:refs/remotes/origin/main",
        ],
    );
    assert_eq!(names(&clone, &["--affected"]), ["docs"]);
}

#[test]
fn what_is_no_commit_is_told_with_what_to_do() {
    let sandbox = four();
    let plan = |revision: &str| sandbox.run_soon(&["graph", "plan", revision]).code(2);
    for unknown in [
        "nowhere",
        "-h",
        "--help",
        "HEAD~9",
        "0123456789",
        "HEAD:src",
    ] {
        plan(&format!("--affected={unknown}")).says("git");
    }
    plan("--affected=nowhere")
        .says("git knows no commit `nowhere`")
        .says("git fetch");
    plan("--affected=--output=x").says("git knows no commit `--output=x`");
    let root = sandbox.root();
    git(&root, &["branch", "--quiet", "-m", "trunk"]);
    plan("--affected")
        .says("there is no branch to compare with")
        .says("--affected=REV");
    git(&root, &["checkout", "--quiet", "--orphan", "main"]);
    plan("--affected=trunk...").says("the repository has no commit yet");
    sandbox.write("README.md", "Another beginning\n");
    commit(&root);
    plan("--affected=trunk...").says("`HEAD` and `trunk` have no commit in common");
}

#[test]
fn without_a_repository_or_without_git_that_is_said() {
    let apart = Sandbox::with(&[("imgspec.kdl", FOUR), ("src/a", ""), ("docs/a", "")]);
    let plan = ["graph", "plan", "--builder", "fake", "--affected"];
    apart
        .run(&plan)
        .code(2)
        .says("the workspace is in no git repository");
    git(&apart.root(), &["init", "--quiet", "--template="]);
    apart
        .run(&plan)
        .code(2)
        .says("there is no branch to compare with");
    let missing = four().env("PATH", "/nowhere");
    missing
        .run(&plan)
        .code(2)
        .says("git")
        .says("is git installed");
    let bare = Sandbox::new();
    git(&bare.root(), &["init", "--quiet", "--bare", "--template="]);
    bare.write("imgspec.kdl", "image \"a\" { base-image \"scratch\"; }");
    bare.run(&plan)
        .code(2)
        .says("the workspace is in no git repository");
}

#[test]
fn a_workspace_may_be_anywhere_in_a_repository_and_in_a_worktree_of_it() {
    let sandbox = repository(&[
        ("deploy/images/imgspec.kdl", FOUR),
        ("deploy/images/src/main.py", "1"),
        ("deploy/images/docs/a", "1"),
        ("src/main.py", "1"),
    ]);
    let root = sandbox.root();
    sandbox.write("src/main.py", "2");
    let within = ["-C", "deploy/images", "--affected=HEAD"];
    assert!(names(&sandbox, &within).is_empty());
    sandbox.write("deploy/images/src/main.py", "2");
    assert_eq!(names(&sandbox, &within), ["serve", "train"]);
    git(
        &root,
        &["worktree", "add", "--quiet", "other", "-b", "other"],
    );
    let other = ["-C", "other/deploy/images", "--affected=HEAD"];
    assert!(names(&sandbox, &other).is_empty());
    sandbox.write("other/deploy/images/docs/a", "2");
    assert_eq!(names(&sandbox, &other), ["docs"]);
    assert_eq!(
        names(&sandbox, &["-C", "other/deploy/images", "--affected=main"]),
        ["docs"]
    );
    // The directory is newer than the revision.
    git(&root, &["mv", "deploy", "ship"]);
    sandbox
        .run(&["-C", "ship/images", "graph", "plan", "--affected=HEAD"])
        .success()
        .says("there is no `imgspec.kdl` here in `HEAD`");
}
