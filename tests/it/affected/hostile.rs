//! Repositories that try to run something, or to lead out of the workspace.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::repository::{commit, git, names, reasons, repository};
use super::{FOUR, four};
use crate::sandbox::{Sandbox, is_there};

#[test]
fn nothing_that_a_repository_configures_is_run() {
    let sandbox = four();
    let root = sandbox.root();
    sandbox.write(
        ".gitattributes",
        "* filter=evil diff=evil merge=evil text eol=crlf ident\n*.py export-subst export-ignore\n",
    );
    sandbox.write("src/main.py", "$Format:%H$ $Id$\n");
    commit(&root);
    let ran = root.join(".git/ran");
    let canary = format!("touch {}; cat", ran.display());
    for name in [
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "core.editor",
        "core.alternateRefsCommand",
        "pager.ls-tree",
        "pager.cat-file",
        "filter.evil.smudge",
        "filter.evil.clean",
        "filter.evil.process",
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
        "merge.evil.driver",
        "uploadpack.packObjectsHook",
        "credential.helper",
        "gpg.program",
        "alias.ls-tree",
        "alias.cat-file",
        "alias.rev-parse",
    ] {
        let value = if name.starts_with("alias") {
            format!("!{canary}")
        } else {
            canary.clone()
        };
        git(&root, &["config", name, &value]);
    }
    git(&root, &["config", "filter.evil.required", "true"]);
    for hook in [
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "pre-auto-gc",
    ] {
        let path = root.join(".git/hooks").join(hook);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{canary}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let _ = std::fs::remove_file(&ran);
    // The attributes are about checkouts; the content is that of the commit, as the work tree has it.
    assert!(names(&sandbox, &["--affected=HEAD"]).is_empty());
    sandbox.write("src/main.py", "new\n");
    assert_eq!(names(&sandbox, &["--affected"]), ["serve", "train"]);
    assert!(!is_there(&ran));
}

#[test]
fn a_remote_is_not_asked_for_objects_that_are_missing() {
    let sandbox = four();
    let root = sandbox.root();
    let object = git(&root, &["rev-parse", "HEAD:docs/index.md"]);
    let (folder, name) = object.split_at(2);
    std::fs::remove_file(root.join(".git/objects").join(folder).join(name)).unwrap();
    let ran = root.join(".git/ran");
    let address = format!("ext::touch {}", ran.display());
    for (name, value) in [
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.url", &address),
        ("remote.origin.promisor", "true"),
        ("protocol.ext.allow", "always"),
    ] {
        git(&root, &["config", name, value]);
    }
    let asked = ["graph", "plan", "--builder", "fake", "--affected=HEAD"];
    sandbox.run_soon(&asked);
    assert!(!is_there(&ran));
}

/// Writes an object and returns its name.
fn object(folder: &Path, kind: &str, content: &str) -> String {
    use std::io::Write as _;
    let mut child = Command::new("git")
        .args(["hash-object", "-w", "--stdin", "--literally", "-t", kind])
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(content.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A tree as no git makes it, of these lines.
fn tree(folder: &Path, entries: &[(&str, &str, &str)]) -> String {
    use std::io::Write as _;
    let mut bytes = Vec::new();
    for (mode, name, object) in entries {
        write!(bytes, "{mode} {name}\0").unwrap();
        let digits = object.as_bytes().chunks(2);
        bytes.extend(
            digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()),
        );
    }
    let mut child = Command::new("git")
        .args(["hash-object", "-w", "--stdin", "--literally", "-t", "tree"])
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_tree_that_no_git_makes_writes_nothing_outside() {
    let outside = tempfile::tempdir().unwrap();
    let sandbox = four();
    let root = sandbox.root();
    let target = outside.path().to_str().unwrap();
    let (link, text) = (object(&root, "blob", target), object(&root, "blob", "text"));
    let manifest = object(
        &root,
        "blob",
        "image \"docs\" { base-image \"scratch\"; copy \"docs\" to=\"/\"; }",
    );
    let inner = tree(&root, &[("100644", "canary", &text)]);
    let file = ("100644", "imgspec.kdl", manifest.as_str());
    for hostile in [
        // A link, and a directory of the same name.
        vec![
            ("120000", "docs", link.as_str()),
            ("40000", "docs", &inner),
            file,
        ],
        vec![
            ("40000", "docs", inner.as_str()),
            ("120000", "docs", &link),
            file,
        ],
        vec![
            ("40000", "..", inner.as_str()),
            ("40000", "docs", &inner),
            file,
        ],
        vec![
            ("40000", ".git", inner.as_str()),
            ("40000", "docs", &inner),
            file,
        ],
        vec![
            ("100644", "docs/../../canary", text.as_str()),
            ("40000", "docs", &inner),
            file,
        ],
        vec![
            ("160000", "docs", "1234567890123456789012345678901234567890"),
            file,
        ],
        vec![("120000", "docs", manifest.as_str()), file],
        vec![("120000", "imgspec.kdl", link.as_str())],
        vec![("40000", "docs", text.as_str()), file],
    ] {
        let commit = git(
            &root,
            &["commit-tree", "-m", "hostile", &tree(&root, &hostile)],
        );
        let asked = format!("--affected={commit}");
        let ran = sandbox.run_soon(&["graph", "plan", "--builder", "fake", &asked]);
        assert!(matches!(ran.code, Some(0 | 2)), "{hostile:?}: {ran:?}");
        assert!(!ran.stderr.contains("panicked"), "{hostile:?}: {ran:?}");
        let written = std::fs::read_dir(outside.path()).unwrap().count();
        assert_eq!(written, 0, "{hostile:?}");
    }
}

#[test]
fn links_of_the_past_do_not_lead_out() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "hunter2").unwrap();
    let sandbox = Sandbox::with(&[("imgspec.kdl", FOUR), ("src/main.py", "1")]).without("hunter2");
    let root = sandbox.root();
    std::os::unix::fs::symlink(secret.path().parent().unwrap(), root.join("docs")).unwrap();
    git(&root, &["init", "--quiet", "--template="]);
    commit(&root);
    std::fs::remove_file(root.join("docs")).unwrap();
    sandbox.write("docs/a", "1");
    let asked = ["graph", "plan", "--builder", "fake", "--affected=HEAD"];
    sandbox
        .run(&asked)
        .success()
        .says("`docs` is outside the workspace");
    assert_eq!(names(&sandbox, &["--affected=HEAD"]).len(), 4);
}

#[test]
fn names_are_shown_without_what_a_terminal_would_obey() {
    let sandbox = repository(&[("imgspec.kdl", FOUR), ("src/main.py", "1"), ("docs/a", "1")]);
    sandbox.write("docs/\u{1b}[31mred\n::error::x", "2");
    let asked = ["graph", "plan", "--builder", "fake", "--affected=HEAD"];
    let said = sandbox.run(&asked).success().stdout;
    assert!(!said.contains('\u{1b}'), "{said}");
    assert!(said.lines().all(|line| !line.starts_with("::")), "{said}");
    assert_eq!(reasons(&sandbox, &["--affected=HEAD"]).len(), 1);
    sandbox
        .run(&["graph", "plan", "--affected=\u{1b}[31m"])
        .code(2)
        .says("git knows no commit");
}
