//! A git repository with a workspace, and what its images differ in from a revision: asked of the program, and found
//! independently from checkouts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::sandbox::Sandbox;

/// Runs git with settings of its own and returns what it prints.
#[track_caller]
pub(crate) fn git(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=it", "-c", "user.email=it@example.com"])
        .args([
            "-c",
            "init.defaultBranch=main",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(["-c", "advice.detachedHead=false"])
        .args(words)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z")
        .env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
        .env_remove("GIT_DIR")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits everything and returns the commit.
#[track_caller]
pub(crate) fn commit(folder: &Path) -> String {
    git(folder, &["add", "--all"]);
    git(
        folder,
        &["commit", "--quiet", "--allow-empty", "-m", "change"],
    );
    git(folder, &["rev-parse", "HEAD"])
}

/// A repository with these files, committed.
pub(crate) fn repository(files: &[(&str, &str)]) -> Sandbox {
    let sandbox = Sandbox::with(files);
    git(&sandbox.root(), &["init", "--quiet", "--template="]);
    commit(&sandbox.root());
    sandbox
}

/// The part of the plan about affected images.
#[track_caller]
pub(super) fn affected(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let plan = ["graph", "plan", "--builder", "fake", "--format", "json"];
    let ran = sandbox.run(&[&plan, arguments].concat()).success();
    ran.json()["affected"].clone()
}

/// The ids of the affected images, sorted.
#[track_caller]
pub(super) fn names(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let affected = affected(sandbox, arguments);
    let images = affected["images"].as_array().unwrap().iter();
    let names = images.map(|image| image["image"].as_str().unwrap().to_owned());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Each affected image with its reasons, in one line.
#[track_caller]
pub(super) fn reasons(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let affected = affected(sandbox, arguments);
    let images = affected["images"].as_array().unwrap().iter();
    let line = |image: &Value| {
        let mut line = image["image"].as_str().unwrap().to_owned();
        for reason in image["reasons"].as_array().unwrap() {
            write!(line, " {}", reason["kind"].as_str().unwrap()).unwrap();
            if let Some(input) = reason["input"].as_str() {
                write!(line, ":{input}").unwrap();
            }
        }
        line
    };
    images.map(line).collect()
}

/// The keys of all images of the workspace in a directory.
#[track_caller]
pub(super) fn keys(sandbox: &Sandbox, folder: &Path) -> BTreeMap<String, String> {
    let folder = folder.to_str().unwrap();
    let tags = sandbox.run(&["-C", folder, "tag", "--format", "json", "*"]);
    let tags = tags.success().json();
    let pair = |tag: &Value| {
        let text = |name: &str| tag[name].as_str().unwrap().to_owned();
        (text("image"), text("key"))
    };
    tags.as_array().unwrap().iter().map(pair).collect()
}

/// The keys at a revision, of a checkout in another directory.
#[track_caller]
pub(super) fn keys_at(sandbox: &Sandbox, revision: &str, below: &str) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (sandbox.root(), folder.path().join("checkout"));
    let words = [from.to_str().unwrap(), to.to_str().unwrap()];
    git(
        folder.path(),
        &[&["clone", "--quiet", "--no-checkout"][..], &words].concat(),
    );
    git(&to, &["checkout", "--quiet", revision]);
    keys(sandbox, &to.join(below))
}

/// Checks that the program says the same as checkouts of both sides.
#[track_caller]
pub(super) fn agrees(sandbox: &Sandbox, revision: &str) -> usize {
    let now = keys(sandbox, &sandbox.root());
    let then = keys_at(sandbox, revision, "");
    let differs = |(image, key): &(&String, &String)| then.get(*image) != Some(*key);
    let differing = now.iter().filter(differs).map(|(image, _)| image.clone());
    let differing: Vec<String> = differing.collect();
    let asked = format!("--affected={revision}");
    let found = affected(sandbox, &[&asked, "*"]);
    assert_eq!(names(sandbox, &[&asked, "*"]), differing, "{found:#}");
    let removed = found["removed"].as_array().unwrap().iter();
    let removed: BTreeSet<&str> = removed.map(|name| name.as_str().unwrap()).collect();
    let gone = then.keys().filter(|image| !now.contains_key(*image));
    assert_eq!(removed, gone.map(String::as_str).collect());
    differing.len()
}

/// The root manifest of a workspace of 40 images: four bases, and nine services.
pub(super) const FORTY: &str = r#"
workspace { include "services/*"; }
defaults { builder "fake"; }
template "python" { env PYTHONUNBUFFERED="1"; }
image "os" { base-image "debian:bookworm-slim"; apt-packages "git"; }
image "python-{{ version }}" {
    matrix { version "3.11" "3.12"; }
    base-image image="os"
    env PYTHON="{{ version }}"
    copy "shared" to="/shared"
}
image "tools" { base-image image="os"; copy "tools" to="/tools"; }
"#;

/// Writes that workspace.
pub(super) fn forty(sandbox: &Sandbox) {
    sandbox.write("imgspec.kdl", FORTY);
    sandbox.write("requirements.txt", "uvloop==0.21\n");
    sandbox.write("shared/a.py", "a = 1\n");
    sandbox.write("shared/deep/b.py", "b = 1\n");
    sandbox.write("tools/run", "#!/bin/sh\n");
    sandbox.write("README.md", "Forty images\n");
    for at in 0..9 {
        let base = ["python-3.11", "python-3.12", "tools"][at % 3];
        let manifest = format!(
            r#"
image "s{at}-base" {{ base-image image="{base}"; copy "src" to="/app"; }}
image "s{at}-app" extends="python" {{ base-image image="s{at}-base"; requirements "requirements.txt"; }}
image "s{at}-docker" {{ dockerfile "ctx/Dockerfile" context="ctx"; }}
image "s{at}-all" {{ base-image image="s{at}-app"; copy "." to="/all"; copy image="tools" "/tools" to="/tools"; }}
"#
        );
        let path = |name: &str| format!("services/s{at}/{name}");
        sandbox.write(&path("imgspec.kdl"), &manifest);
        sandbox.write(&path("src/main.py"), &format!("print({at})\n"));
        sandbox.write(&path("src/lib/util.py"), "pass\n");
        sandbox.write(&path("src/note.log"), "ignored\n");
        sandbox.write(&path(".dockerignore"), "**/*.log\nctx\n");
        sandbox.write(&path("requirements.txt"), "-r more.txt\nflask==3.1\n");
        sandbox.write(&path("more.txt"), "-r ../../requirements.txt\n");
        sandbox.write(
            &path("ctx/Dockerfile"),
            "FROM debian:bookworm-slim\nCOPY . /x\n",
        );
        sandbox.write(&path("ctx/Dockerfile.dockerignore"), "*.tmp\n");
        sandbox.write(&path("ctx/file"), "file\n");
        sandbox.write(&path("ctx/some.tmp"), "ignored\n");
        std::os::unix::fs::symlink("main.py", sandbox.path(&path("src/link.py"))).unwrap();
    }
}
