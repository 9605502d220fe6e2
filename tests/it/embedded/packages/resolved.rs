//! What uv is given when it resolves, told by a program in its place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::index::{Index, wheel, wheel_needing};
use super::{manifest, sandbox};
use crate::sandbox::{Sandbox, files_with};

/// What only uv may read.
const SECRET: &str = "hush-hush";

/// Answers with what is in `answer`, fails without it, and waits if there is a `wait`.
const UV: &str = r#"#!/bin/sh
here=$(dirname "$0")
if [ "$1" = self ]; then echo 0.9.30; exit; fi
stat -c %a "$NETRC" "$(dirname "$NETRC")" > "$here/modes"
grep -c hush-hush "$NETRC" >> "$here/modes"
if [ -e "$here/wait" ]; then echo $$ > "$here/number"; mv "$here/number" "$here/waits"; exec sleep 1000; fi
exec cat "$here/answer"
"#;

/// A workspace with a secret `.netrc` and a package to be resolved, and the directory of that program.
fn resolving(index: &Index) -> (Sandbox, PathBuf) {
    let sandbox = sandbox(index, "one\n");
    let secret = "secret \"netrc\" env=\"MY_NETRC\" { packages mount=\"/root/.netrc\"; }";
    sandbox.write("imgspec.kdl", &manifest(index, secret));
    let programs = sandbox.path("../programs");
    fs::create_dir(&programs).unwrap();
    fs::write(programs.join("uv"), UV).unwrap();
    fs::set_permissions(programs.join("uv"), PermissionsExt::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let sandbox = sandbox
        .env("PATH", &format!("{}:{path}", programs.display()))
        .env(
            "MY_NETRC",
            &format!("machine m login me password {SECRET}\n"),
        );
    (sandbox, programs)
}

/// What uv says when it chooses version 1.0 of these, which have these hashes.
fn answer(index: &Index, packages: &[(&str, &str)]) -> String {
    let host = &index.host;
    let mut text = "lock-version = \"1.0\"\ncreated-by = \"uv\"\n".to_owned();
    for (name, hash) in packages {
        text += &format!(
            "[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\n\
             wheels = [{{ url = \"http://{host}/files/{name}-1.0-py3-none-any.whl\", hashes = {{ sha256 = \"{hash}\" }} }}]\n"
        );
    }
    text
}

fn home(sandbox: &Sandbox) -> PathBuf {
    sandbox.path("../home")
}

#[track_caller]
fn has_no_secret(sandbox: &Sandbox) {
    assert_eq!(files_with(&sandbox.path(".."), "password"), "");
}

#[test]
fn logins_are_for_the_user_alone_and_only_while_uv_runs() {
    let index = Index::new();
    let hash = index.offer("one-1.0-py3-none-any.whl", &wheel("one", "1.0"));
    let (sandbox, programs) = resolving(&index);
    let modes = || fs::read_to_string(programs.join("modes")).unwrap();
    let ran = sandbox.run(&["graph", "build"]).code(1);
    assert!(!ran.stderr.contains(SECRET), "{}", ran.stderr);
    assert_eq!(modes(), "600\n700\n1\n");
    has_no_secret(&sandbox);
    let answer = answer(&index, &[("one", &hash)]);
    fs::write(programs.join("answer"), answer).unwrap();
    for command in [&["graph", "build"][..], &["lock"]] {
        fs::remove_file(programs.join("modes")).unwrap();
        sandbox.run(command).success();
        assert_eq!(modes(), "600\n700\n1\n");
        has_no_secret(&sandbox);
    }
}

#[test]
fn what_a_killed_lock_leaves_is_removed_by_the_next_command() {
    let index = Index::new();
    let (sandbox, programs) = resolving(&index);
    fs::write(programs.join("wait"), "").unwrap();
    let mut lock = sandbox.spawn(&["lock"]);
    let until = Instant::now() + Duration::from_mins(1);
    let waits = programs.join("waits");
    while !waits.exists() {
        assert!(Instant::now() < until, "uv was not started");
        std::thread::sleep(Duration::from_millis(5));
    }
    lock.kill().unwrap();
    lock.wait().unwrap();
    let uv = fs::read_to_string(waits).unwrap().trim().parse().unwrap();
    let uv = rustix::process::Pid::from_raw(uv).unwrap();
    // It may have ended with what started it.
    let _ = rustix::process::kill_process(uv, rustix::process::Signal::KILL);
    assert_ne!(files_with(&home(&sandbox), "password"), "");
    sandbox.run(&["clean"]).success();
    has_no_secret(&sandbox);
    let tools = home(&sandbox).join(".cache/imgspec/images/tools");
    // What uv keeps counts, and goes with what was not used for longest.
    fs::write(tools.join("cache/large"), vec![0; 5_000_000]).unwrap();
    sandbox.run(&["clean", "--max-size", "10MB"]).success();
    assert!(tools.join("cache").exists());
    sandbox.run(&["clean", "--max-size", "1MB"]).success();
    assert!(!tools.join("cache").exists());
}

#[test]
fn a_list_with_hashes_that_leaves_out_what_its_packages_need_is_completed() {
    let index = Index::new();
    let needing = wheel_needing("one", "1.0", "two>=1; python_version > '3'");
    let one = index.offer("one-1.0-py3-none-any.whl", &needing);
    let two = index.offer("two-1.0-py3-none-any.whl", &wheel("two", "1.0"));
    let (sandbox, programs) = resolving(&index);
    let both = answer(&index, &[("one", &one), ("two", &two)]);
    fs::write(programs.join("answer"), both).unwrap();
    let has_asked = || fs::remove_file(programs.join("modes")).is_ok();
    let installed = || {
        let told = sandbox.run(&["inspect", "app"]).success().stdout;
        ["one 1.0", "two 1.0"].map(|name| told.contains(name))
    };
    let whole = format!("one==1.0 --hash=sha256:{one}\ntwo==1.0 --hash=sha256:{two}\n");
    sandbox.write("all.txt", &whole);
    sandbox.run(&["graph", "build"]).success();
    assert_eq!((installed(), has_asked()), ([true; 2], false));
    sandbox.write("all.txt", &format!("one==1.0 --hash=sha256:{one}\n"));
    sandbox.run(&["graph", "build"]).success();
    assert_eq!((installed(), has_asked()), ([true; 2], true));
}

#[test]
fn hashes_beside_requirements_without_any_are_compared_too() {
    let index = Index::new();
    let one = index.offer("one-1.0-py3-none-any.whl", &wheel("one", "1.0"));
    let two = index.offer("two-1.0-py3-none-any.whl", &wheel("two", "1.0"));
    let (sandbox, programs) = resolving(&index);
    let both = answer(&index, &[("one", &one), ("two", &two)]);
    fs::write(programs.join("answer"), both).unwrap();
    sandbox.write("all.txt", &format!("one==1.0 --hash=sha256:{two}\ntwo\n"));
    let words = "no file of one 1.0 has a hash that the requirements give for it";
    sandbox.run(&["graph", "build"]).code(1).says(words);
    sandbox.run(&["lock"]).code(2).says(words);
    sandbox.write("all.txt", &format!("one==1.0 --hash=sha256:{one}\ntwo\n"));
    sandbox.run(&["graph", "build"]).success();
}
