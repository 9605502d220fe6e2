//! Commands in images without any daemon: what they change is a layer, made once, and nothing else is left of them.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::taken::{entries, layers};
use super::{digest, store};
use crate::sandbox::{Ran, Sandbox};

/// Programs of this machine from which a base is made.
pub(super) const PROGRAMS: [&str; 20] = [
    "sh", "cat", "chmod", "chown", "cp", "date", "env", "head", "id", "install", "ln", "ls",
    "mkdir", "mkfifo", "mknod", "mv", "rm", "sleep", "touch", "true",
];

const BASE: &str = "files.tar";

/// The files that a program needs: itself and its libraries.
fn needed(program: &str) -> (PathBuf, Vec<PathBuf>) {
    let path = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
    let path = path.into_iter().find(|path| path.exists()).unwrap();
    let listed = Command::new("ldd").arg(&path).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let words = listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'));
    (path, words.map(PathBuf::from).collect())
}

/// A root file system of programs of this machine, with things to change.
fn base() -> Vec<u8> {
    base_of(&PROGRAMS, &[])
}

/// The same with these programs, and with more files, as path, mode and text.
pub(super) fn base_of(programs: &[&str], others: &[(&str, u32, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(true);
    let mut libraries = BTreeSet::new();
    let file = |path: &str, mode, size| {
        let mut head = tar::Header::new_ustar();
        head.set_path(path).unwrap();
        head.set_mode(mode);
        head.set_mtime(1_000_000_000);
        head.set_size(size);
        head
    };
    for folder in ["tmp", "old", "old/in", "big", "home", "home/app"] {
        let mode = if folder == "tmp" { 0o1777 } else { 0o755 };
        let mut head = file(folder, mode, 0);
        head.set_entry_type(tar::EntryType::Directory);
        head.set_uid(if folder == "home/app" { 70 } else { 0 });
        head.set_gid(0);
        head.set_cksum();
        tar.append(&head, &[][..]).unwrap();
    }
    let texts = [
        (
            "etc/passwd",
            0o644,
            "root:x:0:0:root:/root:/bin/sh\napp:x:70:71::/home/app:/bin/sh\n",
        ),
        ("etc/group", 0o644, "root:x:0:\napp:x:71:\ncrew:x:72:app\n"),
        ("old/a", 0o644, "a"),
        ("old/in/b", 0o644, "b"),
        ("big/file", 0o644, &"x".repeat(100_000)),
    ];
    for (path, mode, text) in texts.iter().chain(others) {
        let mut head = file(path, *mode, text.len() as u64);
        head.set_uid(0);
        head.set_gid(0);
        head.set_cksum();
        tar.append(&head, text.as_bytes()).unwrap();
    }
    for program in programs {
        let (path, needs) = needed(program);
        libraries.extend(needs);
        tar.append_path_with_name(&path, format!("bin/{program}"))
            .unwrap();
    }
    for library in libraries {
        tar.append_path_with_name(&library, library.strip_prefix("/").unwrap())
            .unwrap();
    }
    tar.into_inner().unwrap()
}

pub(super) fn manifest(lines: &str) -> String {
    format!("image \"app\" {{\n    builder \"oci\"\n    base-image file=\"{BASE}\"\n{lines}\n}}\n")
}

pub(super) fn sandbox(lines: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest(lines)), ("own.txt", "own\n")]);
    std::fs::write(sandbox.path(BASE), base()).unwrap();
    sandbox
}

/// The entries of the topmost layer.
fn changes(sandbox: &Sandbox) -> Vec<String> {
    let layers = layers(sandbox);
    entries(sandbox, layers.last().unwrap())
}

fn refused(lines: &str, words: &str) {
    let sandbox = sandbox(lines);
    let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
    assert!(ran.stderr.contains(words), "`{words}`: {}", ran.stderr);
    let working = store(&sandbox).join("working").read_dir().unwrap();
    assert_eq!(working.count(), 0);
}

/// Runs the same as an ordinary user, if this one is root.
fn as_user(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command(arguments);
    if rustix::process::geteuid().is_root() {
        let all = sandbox.root().join("..");
        std::fs::set_permissions(&all, PermissionsExt::from_mode(0o755)).unwrap();
        let given = Command::new("chown")
            .args(["-R", "65534:65534"])
            .arg(&all)
            .status();
        assert!(given.unwrap().success());
        command.uid(65534).gid(65534);
    }
    Ran::of(&mut command)
}

#[test]
fn what_a_command_changes_is_a_layer() {
    let sandbox = sandbox(
        r#"    commands "echo new > /new; mkdir -p /d/e; chmod 700 /d/e; rm old/a; ln /new /again; ln -s gone /link; mkfifo /pipe; touch /tmp/x; rm /tmp/x""#,
    );
    assert_eq!(
        changes(&sandbox),
        [
            "again Regular 644 0:0 new",
            "d/ Directory 755 0:0",
            "d/e/ Directory 700 0:0",
            "link Symlink 777 0:0 gone",
            "new Link 644 0:0 again",
            "old/ Directory 755 0:0",
            "old/.wh.a Regular 0 0:0",
            "pipe Fifo 644 0:0",
        ]
    );
}

#[test]
fn without_the_network_a_command_sees_only_itself() {
    let seen = |options: &str| {
        let sandbox = sandbox(&format!(
            "    commands \"while read name rest; do case $name in *:) echo $name; esac; done < /proc/net/dev > /seen\"\n{options}"
        ));
        changes(&sandbox)
    };
    let alone = seen("    builder-options network=\"none\"");
    assert_eq!(alone, ["seen Regular 644 0:0 lo:"]);
    assert!(seen("")[0].contains("lo:"));
}

#[test]
fn options_that_it_does_not_have_are_refused() {
    let sandbox = sandbox(
        "    commands \"true\"\n    builder-options network=\"bridge\" shm-size=\"1g\"\n    registry-config \"own.txt\"",
    );
    let ran = sandbox.run(&["check"]).code(2);
    for words in [
        "has only `network`, which is `host` or `none`, not this `network`",
        "not this `shm-size`",
        "registry access is configured as for Docker",
    ] {
        assert!(ran.stderr.contains(words), "`{words}`: {}", ran.stderr);
    }
}

/// With other settings of overlayfs, directories would be empty in the layer, files without content, and removal would fail.
#[test]
fn directories_made_anew_moved_and_files_with_new_modes_are_whole() {
    let sandbox = sandbox(
        "    commands \"rm -r /old; mkdir /old; echo c > /old/c; mv /big /moved; chmod 600 /moved/file\"",
    );
    let mut changes = changes(&sandbox);
    let file = changes
        .iter_mut()
        .find(|entry| entry.starts_with("moved/file"))
        .unwrap();
    assert_eq!(file.len(), 100_000 + "moved/file Regular 600 0:0 ".len());
    file.truncate(30);
    assert_eq!(
        changes,
        [
            ".wh.big Regular 0 0:0",
            "moved/ Directory 755 0:0",
            "moved/file Regular 600 0:0 xxx",
            "old/ Directory 755 0:0",
            "old/.wh.a Regular 0 0:0",
            "old/c Regular 644 0:0 c",
            "old/.wh.in Regular 0 0:0",
        ]
    );
}

#[test]
fn commands_see_what_docker_shows_them() {
    let sandbox = sandbox(
        r#"    env A="1 2" B="$A"
    workdir "/srv/place"
    copy "own.txt" to="."
    commands "cat own.txt; env > env; id -u > id; ls /proc/self > /dev/null; echo $0 >> id" "cat /srv/place/env""#,
    );
    let changes = changes(&sandbox);
    assert_eq!(changes, [""; 0]);
    let all = layers(&sandbox);
    let first = entries(&sandbox, &all[all.len() - 2]);
    let env = first.iter().find(|entry| entry.contains("/env ")).unwrap();
    for words in [
        "A=1 2",
        "B=$A",
        "HOME=/root",
        "PATH=/usr/local/sbin:",
        "PWD=/srv/place",
    ] {
        assert!(env.contains(words), "{words}: {env}");
    }
    let id = first.iter().find(|entry| entry.contains("/id ")).unwrap();
    assert_eq!(id, "srv/place/id Regular 644 0:0 0\n/bin/sh");
}

#[test]
fn a_user_runs_the_commands_after_it_and_owns_what_they_make() {
    let lines = r#"    steps {
        user "app"
        run "id -G; touch /home/app/file; echo $HOME > /home/app/home"
    }"#;
    let changes = changes(&sandbox(lines));
    assert_eq!(
        changes,
        [
            "home/ Directory 755 0:0",
            "home/app/ Directory 755 70:0",
            "home/app/file Regular 644 70:71",
            "home/app/home Regular 644 70:71 /home/app",
        ]
    );
}

#[test]
fn a_command_that_did_the_same_is_not_run_again() {
    let line = "    commands \"date +%N > /when\"";
    let sandbox = sandbox(line);
    let first = layers(&sandbox);
    // Something else changes; the command, and what is below it, does not.
    let more = format!("{line}\n    labels a=\"b\"");
    sandbox.write("imgspec.kdl", &manifest(&more));
    assert_eq!(layers(&sandbox), first);
    let begun = store(&sandbox).join("trees").read_dir().unwrap().count();
    assert_eq!(begun, 1);
    // What decides it changes.
    let env = format!("    env A=\"1\"\n{line}");
    sandbox.write("imgspec.kdl", &manifest(&env));
    let second = layers(&sandbox);
    assert_ne!(second.last(), first.last());
    sandbox
        .run(&["graph", "build", "--force", "--output", "oci:out"])
        .success();
    assert_ne!(layers(&sandbox).last(), second.last());
}

#[test]
fn the_same_command_gives_the_same_digest_on_every_machine() {
    let lines = "    commands \"mkdir -p /c /b /a; echo 1 > /c/1; echo 2 > /b/2; ln /c/1 /a/3; touch /z /y /x\"";
    let first = digest(&sandbox(lines), &[]);
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(
        digest(&sandbox(lines).env("TZ", "Pacific/Auckland"), &[]),
        first
    );
}

#[test]
fn a_failing_command_says_which_and_how() {
    refused(
        "    commands \"true\" \"echo before; exit 3\"",
        "`commands: echo before; exit 3` failed with exit code 3",
    );
    refused(
        "    commands \"nothing-like-this\"",
        "a program that it calls is not in the image",
    );
    refused(
        "    commands \"kill -9 $$\"",
        "`commands: kill -9 $$` was ended by signal 9",
    );
    let sandbox = sandbox("    commands \"true\" \"echo seen; exit 3\"");
    let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
    // The line of the command, and what it said.
    assert!(ran.stderr.contains("imgspec.kdl:4"), "{}", ran.stderr);
    assert!(ran.stderr.contains("seen"), "{}", ran.stderr);
}

#[test]
fn a_base_without_a_shell_is_told() {
    let text = "image \"app\" { builder \"oci\"; base-image \"scratch\"; commands \"true\"; }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", text)]);
    sandbox
        .run(&["graph", "build", "--attempts", "1"])
        .code(1)
        .says(
            "commands are run by `/bin/sh`, which the image does not have: use a base with a shell",
        );
}

#[test]
fn programs_of_another_machine_are_refused_before_anything_is_built() {
    let text = "image \"app\" { builder \"oci\"; base-image \"scratch\"; platform \"linux/mips64le\"; commands \"true\"; }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", text)]);
    sandbox
        .run(&["check"])
        .code(2)
        .says("commands cannot run for linux/mips64le")
        .says("install an emulator");
}

#[test]
fn a_secret_is_there_for_the_command_and_nowhere_else() {
    let lines = r#"    secret "token" env="THE_TOKEN" {
        commands env="TOKEN" mount="/run/token"
    }
    commands "cat /run/token; echo $TOKEN; [ \"$TOKEN\" = \"$(cat /run/token)\" ] && [ ${#TOKEN} = 16 ]""#;
    let sandbox = sandbox(lines)
        .env("THE_TOKEN", "canary-of-secret")
        .without("canary-of-secret");
    assert_eq!(changes(&sandbox), [""; 0]);
    // Another value does not run it again.
    let sandbox = sandbox.env("THE_TOKEN", "other");
    assert_eq!(changes(&sandbox), [""; 0]);
}

#[test]
fn killed_at_any_moment_the_next_run_finishes_the_command() {
    let lines = "    commands \"mkdir /many; for i in 1 2 3 4 5 6 7 8 9; do echo $i > /many/$i; sleep 0.01; done\"";
    let wanted = digest(&sandbox(lines), &[]);
    let sandbox = sandbox(lines);
    for round in 0..16 {
        let mut child = sandbox.spawn(&["graph", "build"]);
        std::thread::sleep(Duration::from_millis(20 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 4 == 3 {
            assert_eq!(digest(&sandbox, &[]), wanted, "after {round}");
            let working = store(&sandbox).join("working").read_dir().unwrap();
            assert_eq!(working.count(), 0);
            std::fs::remove_dir_all(sandbox.path(".imgspec")).unwrap();
            std::fs::remove_dir_all(store(&sandbox)).unwrap();
        }
    }
}

#[test]
fn two_runs_at_once_run_a_command_once() {
    let line = "    commands \"sleep 0.3; date +%N > /when\"";
    let one = sandbox(line);
    digest(&one, &[]);
    let sandbox = sandbox(line);
    let mut children: Vec<_> = (0..4).map(|_| sandbox.spawn(&["graph", "build"])).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let working = store(&sandbox).join("working").read_dir().unwrap();
    assert_eq!(working.count(), 0);
    // Each run of the command would make a layer, a config and a manifest of its own.
    assert_eq!(super::blobs(&sandbox).len(), super::blobs(&one).len());
}

#[test]
fn nothing_of_it_is_left_when_it_has_ended() {
    let sandbox = sandbox("    commands \"sleep 1\"");
    let mut child = sandbox.spawn(&["graph", "build"]);
    let parent = child.id().to_string();
    let begun = Instant::now();
    // What the sandbox is forked from.
    let nursery = loop {
        let mut command = Command::new("ps");
        let listed = command.args(["-o", "pid=,args=", "--ppid", &parent]);
        let listed = String::from_utf8(listed.output().unwrap().stdout).unwrap();
        let mut lines = listed.lines();
        if let Some(line) = lines.find(|line| line.ends_with(" __nursery")) {
            break line.split_whitespace().next().unwrap().to_owned();
        }
        assert!(begun.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(child.wait().unwrap().success());
    assert!(!std::fs::exists(format!("/proc/{nursery}")).unwrap());
}

#[test]
fn an_interrupted_command_ends_at_once_and_leaves_nothing() {
    let sandbox = sandbox("    commands \"sleep 4711\"");
    let mut child = sandbox.spawn(&["graph", "build"]);
    let begun = Instant::now();
    let is_running = || {
        let listed = Command::new("ps").args(["-eo", "args"]).output().unwrap();
        String::from_utf8_lossy(&listed.stdout)
            .lines()
            .any(|line| line.trim() == "sleep 4711")
    };
    while !is_running() {
        assert!(begun.elapsed() < Duration::from_mins(1));
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!is_running());
    let working = store(&sandbox).join("working").read_dir().unwrap();
    assert_eq!(working.count(), 0);
}

#[test]
fn unpacked_layers_are_cleaned_and_made_again() {
    let sandbox = sandbox("    commands \"echo 1 > /one\"");
    let first = digest(&sandbox, &[]);
    let trees = || {
        let kinds = store(&sandbox).join("trees").read_dir().unwrap();
        let trees = kinds.flat_map(|kind| kind.unwrap().path().read_dir().unwrap());
        trees.map(|tree| tree.unwrap().path()).collect::<Vec<_>>()
    };
    assert_eq!(trees().len(), 1);
    sandbox
        .run(&["clean", "--dry-run", "--max-size", "1B"])
        .success();
    assert_eq!(trees().len(), 1);
    sandbox.run(&["clean", "--max-size", "1B"]).success();
    assert_eq!(trees().len(), 0);
    assert_eq!(digest(&sandbox, &[]), first);
    // One of an earlier start of the system is not used: nobody knows whether it is whole.
    let tree = trees().remove(0);
    std::fs::write(tree.join("whole"), "another\n1\n").unwrap();
    std::fs::remove_file(tree.join("files/bin/cat")).unwrap();
    sandbox.write(
        "imgspec.kdl",
        &manifest("    commands \"cat /old/a > /one\""),
    );
    sandbox.run(&["graph", "build"]).success();
    assert!(tree.join("files/bin/cat").exists());
}

#[test]
fn an_ordinary_user_gets_the_same_files() {
    let lines = r#"    commands "echo new > /new; rm -r /old; mkdir /old; mv /big /moved; chmod 000 /moved; touch /home/app/own""#;
    let wanted = changes(&sandbox(lines));
    let sandbox = sandbox(lines);
    as_user(&sandbox, &["graph", "build", "--output", "oci:out"]).success();
    let index: serde_json::Value = serde_json::from_str(&sandbox.read("out/index.json")).unwrap();
    let blob = |digest: &serde_json::Value| digest.as_str().unwrap()[7..].to_owned();
    let manifest = sandbox.read(&format!(
        "out/blobs/sha256/{}",
        blob(&index["manifests"][0]["digest"])
    ));
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    let layer = blob(&layers.last().unwrap()["digest"]);
    assert_eq!(entries(&sandbox, &layer), wanted);
    as_user(&sandbox, &["clean", "--max-size", "1B"]).success();
    let working = store(&sandbox).join("working").read_dir().unwrap();
    assert_eq!(working.count(), 0);
}

#[test]
fn a_mount_point_behind_a_link_of_the_base_does_not_become_part_of_the_image() {
    let sandbox = sandbox("    commands \"mkdir -p /run /var; ln -s /run /var/run\"");
    let base = sandbox.read("imgspec.kdl").replace("\"app\"", "\"base\"");
    let app = "image \"app\" {\n    builder \"oci\"\n    base-image image=\"base\"\n    \
               secret \"token\" env=\"TOKEN\" { commands mount=\"/var/run/secrets2/token\"; }\n    \
               commands \"cat /var/run/secrets2/token > /dev/null; touch /made\"\n}\n";
    sandbox.write("imgspec.kdl", &format!("{base}{app}"));
    let sandbox = sandbox.env("TOKEN", "hush-hush");
    assert_eq!(changes(&sandbox), ["made Regular 644 0:0"]);
}

#[test]
fn whether_commands_run_is_tried_where_images_are_built() {
    let sandbox = sandbox("").env("TMPDIR", "/nowhere");
    let ran = sandbox.run(&["doctor"]);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("commands run isolated"), "{said}");
}
