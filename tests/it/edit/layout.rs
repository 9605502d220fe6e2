//! `fmt`: files, exit codes, and that keys never change.

use std::path::{Path, PathBuf};

use super::manifest;
use crate::sandbox::Sandbox;

/// The roots of all example workspaces, and the manifests in each.
pub(super) fn examples() -> Vec<(PathBuf, Vec<PathBuf>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let examples = std::fs::read_dir(root.join("examples"))
        .unwrap()
        .map(|it| it.unwrap().path());
    let mut roots: Vec<PathBuf> = examples
        .filter(|it| it.join("imgspec.kdl").exists())
        .collect();
    roots.sort();
    let mut found = vec![(root.to_owned(), vec![PathBuf::from("imgspec.kdl")])];
    found.extend(roots.into_iter().map(|root| {
        let manifests = manifests(&root, &root);
        (root, manifests)
    }));
    found
}

fn manifests(root: &Path, at: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(at).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() && entry.file_name() != ".imgspec" {
            found.extend(manifests(root, &path));
        } else if path.extension().is_some_and(|it| it == "kdl") {
            found.push(path.strip_prefix(root).unwrap().to_owned());
        }
    }
    found.sort();
    found
}

/// A copy of a workspace.
pub(super) fn copy(root: &Path) -> Sandbox {
    let sandbox = Sandbox::new();
    let is_whole = root != Path::new(env!("CARGO_MANIFEST_DIR"));
    copy_into(root, &sandbox.root(), &|name| {
        is_whole || name == "imgspec.kdl" || name == "stack"
    });
    sandbox
}

fn copy_into(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if !wanted(&name) || name == ".imgspec" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy_into(&entry.path(), &to.join(&name), &|_| true);
        } else {
            std::fs::copy(entry.path(), to.join(&name)).unwrap();
        }
    }
}

/// The images with their tags, which contain the key. The program itself is asked: the library of these tests could not start a sandbox.
#[track_caller]
fn tags(sandbox: &Sandbox) -> String {
    sandbox.run(&["graph", "show", "*"]).success().stdout
}

/// The same manifest with random layout outside strings and comments.
fn shaken(text: &str) -> String {
    let mut out = String::new();
    for (at, line) in text.split('\n').enumerate() {
        let (mut is_text, mut is_escaped) = (false, false);
        let line = line.trim_start();
        let code = line.starts_with("//");
        for (from, c) in line.char_indices() {
            if !is_text && line[from..].starts_with("//") || code {
                out += &line[from..];
                break;
            }
            match c {
                '"' if !is_escaped => is_text = !is_text,
                ' ' if !is_text && at % 3 == 0 => out += "  \t",
                ' ' if !is_text && at % 7 == 1 && !line.contains('{') => out += " /* here */ ",
                ' ' if !is_text && at % 5 == 2 && !line.contains('{') => out += " \\\n ",
                _ => {}
            }
            is_escaped = c == '\\' && !is_escaped;
            out.push(c);
        }
        out += ["\n", "\n\n\n", "   \n", "\r\n\t"][at % 4];
    }
    out
}

#[test]
fn the_examples_are_laid_out_and_no_layout_changes_a_key() {
    for (root, manifests) in examples() {
        let sandbox = copy(&root);
        sandbox.run(&["fmt", "--check"]).success();
        let (before, texts) = (
            tags(&sandbox),
            manifests
                .iter()
                .map(|path| sandbox.read(path.to_str().unwrap())),
        );
        for (path, text) in manifests.iter().zip(texts.collect::<Vec<_>>()) {
            let path = path.to_str().unwrap();
            sandbox.write(path, &shaken(&text));
            assert_eq!(tags(&sandbox), before, "{path}: {}", sandbox.read(path));
        }
        let listed = sandbox.run(&["fmt", "--check"]).code(1).stdout;
        assert_eq!(listed.lines().count(), manifests.len(), "{listed}");
        sandbox
            .run(&["fmt"])
            .success()
            .says("formatted imgspec.kdl");
        assert_eq!(tags(&sandbox), before);
        sandbox.run(&["fmt", "--check"]).success();
    }
}

#[test]
fn check_lists_on_standard_output_and_changes_nothing() {
    let ugly = "image \"x\" {user \"u\";cmd \"c\"}";
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", "workspace { include \"a\" \"b.kdl\" }\n"),
        ("a/imgspec.kdl", ugly),
        ("b.kdl", "image \"y\" {}\n"),
        ("not-included.kdl", "a;b"),
    ]);
    let ran = sandbox.run(&["fmt", "--check"]).code(1);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("a/imgspec.kdl\n", "")
    );
    assert_eq!(sandbox.read("a/imgspec.kdl"), ugly);
    sandbox
        .run(&["fmt", "b.kdl", "not-included.kdl"])
        .success()
        .says("formatted not-included.kdl\n");
    assert_eq!(sandbox.read("not-included.kdl"), "a\nb\n");
    let before = std::fs::metadata(sandbox.path("b.kdl"))
        .unwrap()
        .modified()
        .unwrap();
    sandbox
        .run(&["fmt"])
        .success()
        .says("formatted a/imgspec.kdl");
    assert_eq!(
        sandbox.read("a/imgspec.kdl"),
        "image \"x\" {\n    user \"u\"\n    cmd \"c\"\n}\n"
    );
    assert_eq!(
        std::fs::metadata(sandbox.path("b.kdl"))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
}

#[test]
fn a_file_with_mistakes_is_told_and_the_others_are_laid_out() {
    let sandbox = Sandbox::with(&[
        (
            "imgspec.kdl",
            "workspace {include \"b.kdl\" \"none.kdl\"}\n",
        ),
        ("b.kdl", "image \"x\" {\n"),
    ]);
    sandbox
        .run(&["fmt"])
        .code(2)
        .says("a block is never closed")
        .says("--> b.kdl:1:11")
        .says("`none.kdl` includes nothing");
    assert_eq!(
        sandbox.read("imgspec.kdl"),
        "workspace { include \"b.kdl\" \"none.kdl\" }\n"
    );
    assert_eq!(sandbox.read("b.kdl"), "image \"x\" {\n");
    // A manifest with semantic errors is formatted anyway.
    let sandbox = manifest("imag \"x\"   {}");
    sandbox.run(&["fmt"]).success();
    assert_eq!(sandbox.read("imgspec.kdl"), "imag \"x\" {}\n");
    sandbox
        .run(&["fmt", "gone.kdl"])
        .code(2)
        .says("`gone.kdl` cannot be read");
    sandbox
        .run(&["fmt", "."])
        .code(2)
        .says("`.` cannot be read: it is a directory, not a file");
}
