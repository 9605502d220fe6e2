//! Problems with the lock file, its directory and concurrent writers, and registries that do not answer.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Barrier;

use crate::lock::{BOTH, lock, stack};
use crate::sandbox::Sandbox;

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// All commands that read the workspace reject an invalid lock with the same message.
fn refused(sandbox: &Sandbox, words: &[&str]) {
    for command in [
        &["lock", "--builder", "fake"] as &[&str],
        &["lock", "--check"],
        &["graph", "plan", "--builder", "fake"],
        &["graph", "build", "--builder", "fake"],
        &["check"],
        &["explain", "os"],
    ] {
        let mut ran = sandbox.run(command).code(2);
        for words in words {
            ran = ran.says(words);
        }
    }
    assert_eq!(sandbox.built(), Vec::<String>::new());
}

#[test]
fn a_merge_conflict_is_told_with_its_line_and_mended_by_one_side_and_lock() {
    let (sandbox, _registry, _) = stack();
    lock(&sandbox, &[]).success();
    let good = sandbox.read("imgspec.lock");
    let end = good.find("\nbase").unwrap();
    let (head, rest) = good.split_at(end);
    sandbox.write(
        "imgspec.lock",
        &format!("{head}\n<<<<<<< HEAD\n=======\n>>>>>>> other\n{rest}"),
    );
    refused(
        &sandbox,
        &[
            "`imgspec.lock` holds a merge conflict",
            "imgspec.lock:4",
            "take one side entirely",
        ],
    );
    // One side, which lacks the other's bases.
    sandbox.write("imgspec.lock", head);
    lock(&sandbox, &[]).success();
    assert_eq!(sandbox.read("imgspec.lock"), good);
}

#[test]
fn a_damaged_lock_is_told_with_its_line() {
    let (sandbox, _registry, _) = stack();
    sandbox.write(
        "imgspec.lock",
        "version 1\n\nbase \"a\" {\n    digest \"sha256:12\"\n}\n",
    );
    refused(
        &sandbox,
        &[
            "`imgspec.lock` is damaged",
            "imgspec.lock:4",
            "this is not a sha256 digest",
            "remove it and run `imgspec lock`",
        ],
    );
    sandbox.write("imgspec.lock", "version 1\nbase \"a\" {\n");
    refused(&sandbox, &["imgspec.lock:2"]);
    std::fs::write(sandbox.path("imgspec.lock"), b"version 1\n\xff").unwrap();
    refused(&sandbox, &["it is not UTF-8"]);
    sandbox.write("imgspec.lock", "");
    refused(&sandbox, &["it has no version"]);
}

#[test]
fn a_lock_of_a_newer_version_is_left_alone() {
    let (sandbox, _registry, _) = stack();
    let text = "version 7\npackages {\n";
    sandbox.write("imgspec.lock", text);
    refused(
        &sandbox,
        &[
            "`imgspec.lock` has format version 7, but this imgspec supports only versions up to 4",
            "update imgspec",
        ],
    );
    assert_eq!(sandbox.read("imgspec.lock"), text);
}

#[test]
fn the_lock_is_no_link_and_no_directory() {
    let (sandbox, _registry, _) = stack();
    let outside = sandbox.path("../outside");
    std::fs::write(&outside, "version 1\n").unwrap();
    symlink(&outside, sandbox.path("imgspec.lock")).unwrap();
    refused(
        &sandbox,
        &["`imgspec.lock` cannot be read: it is a symbolic link, not a file"],
    );
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "version 1\n");
    std::fs::remove_file(sandbox.path("imgspec.lock")).unwrap();
    std::fs::create_dir(sandbox.path("imgspec.lock")).unwrap();
    refused(
        &sandbox,
        &["`imgspec.lock` cannot be read: it is a directory, not a file"],
    );
}

#[test]
fn a_directory_that_cannot_be_written_keeps_its_lock() {
    if rustix::process::geteuid().is_root() {
        return root_cannot_be_kept_out();
    }
    let (sandbox, registry, _) = stack();
    lock(&sandbox, &[]).success();
    let before = sandbox.read("imgspec.lock");
    registry.tag("debian", "12", BOTH, "second");
    let mode =
        |mode| std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(mode)).unwrap();
    mode(0o555);
    let ran = lock(&sandbox, &["--update"]);
    mode(0o755);
    ran.code(2)
        .says("`imgspec.lock` cannot be written: permission denied")
        .says("the file is unchanged");
    assert_eq!(sandbox.read("imgspec.lock"), before);
}

/// For root, a name that cannot be created stands in for a directory that is not writable.
fn root_cannot_be_kept_out() {
    let (sandbox, _registry, _) = stack();
    let mut command = sandbox.command(&["lock", "--builder", "fake"]);
    // Limits file sizes to zero.
    let script = format!(
        "ulimit -f 0; trap '' XFSZ; exec {} lock --builder fake",
        command.get_program().to_string_lossy()
    );
    command = {
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", &script])
            .current_dir(sandbox.root())
            .env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                shell.env(name, value);
            }
        }
        shell
    };
    crate::sandbox::Ran::of(&mut command)
        .code(2)
        .says("`imgspec.lock` cannot be written: ");
    assert!(!sandbox.path("imgspec.lock").exists());
    let left = std::fs::read_dir(sandbox.root()).unwrap().count();
    assert_eq!(left, 1, "only the manifest");
}

#[test]
fn two_at_once_write_one_lock() {
    let (sandbox, _registry, digests) = stack();
    let begin = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                begin.wait();
                lock(&sandbox, &["--update"]).success();
            });
        }
    });
    let text = sandbox.read("imgspec.lock");
    assert!(digests.iter().all(|digest| text.contains(digest)), "{text}");
    assert_eq!(text.matches("base ").count(), 2);
    lock(&sandbox, &[]).success().says("unchanged");
}

#[test]
fn without_an_answer_nothing_is_written_and_every_base_is_told() {
    let (sandbox, registry, _) = stack();
    registry.fail();
    let ran = lock(&sandbox, &[]).code(2);
    let host = &registry.host;
    ran.says(&format!(
        "`{host}/debian:12` cannot be locked: registry `{host}`: it answers 503"
    ))
    .says(&format!("`{host}/tools:1` cannot be locked"))
    .says("imgspec.kdl:2")
    .says("imgspec.kdl:8")
    .says("fix the access and run this again");
    assert!(!sandbox.path("imgspec.lock").exists());
    sandbox
        .run(&["graph", "plan", "--builder", "fake", "--refresh-bases"])
        .success()
        .says("could not determine what it is now: registry");
}

#[test]
fn a_base_that_its_registry_does_not_have_is_told_from_one_without_an_answer() {
    let (sandbox, registry, [first, _]) = stack();
    lock(&sandbox, &[]).success();
    registry.forget();
    let host = &registry.host;
    lock(&sandbox, &["--update"]).code(2).says(&format!(
        "`{host}/debian:12` cannot be locked: its registry does not have it"
    ));
    // Another platform is looked up by the locked digest, which is gone.
    let manifest = sandbox.read("imgspec.kdl").replace(
        "image \"os\" {",
        "image \"os\" {\n    platform \"linux/arm64\"",
    );
    sandbox.write("imgspec.kdl", &manifest);
    lock(&sandbox, &[])
        .code(2)
        .says(&format!(
            "`{host}/debian:12`, locked as {first}, cannot be locked"
        ))
        .says(&format!(
            "`imgspec lock --update {host}/debian:12` locks what the tag points to now"
        ));
}

#[test]
fn a_lock_beside_another_manifest_is_its_own() {
    let (sandbox, _registry, _) = stack();
    sandbox.write("sub/imgspec.kdl", &sandbox.read("imgspec.kdl"));
    lock(&sandbox, &["-C", "sub"]).success();
    assert!(sandbox.path("sub/imgspec.lock").is_file() && !sandbox.path("imgspec.lock").exists());
    // With the same permissions as other files.
    let mode = sandbox
        .path("sub/imgspec.lock")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_ne!(mode & 0o044, 0);
    sandbox.write(
        "imgspec.lock",
        &format!("version 1\nbase \"x\" {{\n    digest \"{DIGEST}\"\n}}\n"),
    );
    sandbox.run(&["lock", "--check", "-C", "sub"]).success();
}
