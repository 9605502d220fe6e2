//! Bake files, evaluated by a `docker` that is a script.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::said;
use crate::sandbox::{Ran, Sandbox, is_there};

/// A `docker` that answers like bake.
fn with_docker(script: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[
        (
            "docker-bake.hcl",
            "variable \"TAG\" {}\ntarget \"app\" {}\n",
        ),
        ("Dockerfile", "FROM scratch\n"),
        ("bin/docker", script),
    ]);
    std::fs::set_permissions(sandbox.path("bin/docker"), PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        sandbox.path("bin").display(),
        std::env::var("PATH").unwrap_or_default()
    );
    sandbox.env("PATH", &path)
}

#[track_caller]
fn bake(sandbox: &Sandbox) -> Ran {
    let mut command = sandbox.command(&["import", "docker-bake.hcl"]);
    Ran::of(&mut command)
}

#[test]
fn a_bake_file_is_read_by_bake_with_all_its_targets() {
    let sandbox = with_docker(
        r#"#!/bin/sh
echo "$@" >> asked
case "$*" in
*--list*) echo '[{"name":"app"},{"name":"base"},{"name":"default","description":"app","group":true}]' ;;
*"--print -- app base"*) test -S "$SSH_AUTH_SOCK" && echo '{"group":{"default":{"targets":["app","base"]}},"target":{"base":{"context":"."},"app":{"context":".","contexts":{"b":"target:base"},"ssh":["default"]}}}' ;;
esac
"#,
    );
    assert_snapshot!(said(&bake(&sandbox).success()), @r#"
    // From docker-bake.hcl, by `imgspec import`.

    image "base" {
        dockerfile "Dockerfile"
    }

    image "app" {
        dockerfile "Dockerfile" {
            contexts {
                b image="base"
            }
        }
    }

    group "default" {
        images "app"
    }

    note: app: `ssh` (default) is left out: builds get no SSH agent; pass the key as a `secret`
    note: variables are replaced by their current values; declare a `variable` to keep one
    2 images, 2 notes; `-o imgspec.kdl` writes it to a file
    "#);
    let asked = sandbox.read("asked");
    assert!(
        asked
            .lines()
            .all(|line| line.starts_with("buildx bake --progress=quiet -f ")),
        "{asked}"
    );
}

#[test]
fn an_older_bake_prints_the_default_group_only() {
    let sandbox = with_docker(
        "#!/bin/sh\ncase \"$*\" in *--list*) echo 'unknown flag: --list' >&2; exit 125 ;; esac\necho '{\"target\":{\"app\":{}}}'\n",
    );
    bake(&sandbox)
        .success()
        .says("image \"app\"")
        .says("only those of the group `default`");
}

#[test]
fn the_words_of_bake_on_mistakes_are_handed_on() {
    for (script, words) in [
        (
            "echo 'docker-bake.hcl:1' >&2; echo 'ERROR: docker-bake.hcl:1,2-3: Unsupported block type' >&2; exit 1",
            "Unsupported block type",
        ),
        (
            "echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1",
            "this Docker has no `docker buildx bake`",
        ),
        ("echo nonsense", "unexpected output"),
    ] {
        bake(&with_docker(&format!("#!/bin/sh\n{script}\n")))
            .code(2)
            .says(words);
    }
    let sandbox =
        Sandbox::with(&[("docker-bake.hcl", "target \"app\" {}\n")]).env("PATH", "/nowhere");
    bake(&sandbox)
        .code(2)
        .says("`docker` was not found")
        .says("docker buildx bake --print > bake.json");
}

#[test]
fn a_dockerfile_of_a_bake_file_is_written_beside_the_manifest() {
    let sandbox = Sandbox::with(&[
        (
            "bake.json",
            r#"{"target": {"a": {"dockerfile-inline": "FROM scratch\n"}}}"#,
        ),
        ("deep/x", ""),
    ]);
    sandbox
        .run(&["import", "bake.json"])
        .success()
        .says("`a.Dockerfile` is only written with `-o`");
    sandbox
        .run(&["import", "bake.json", "-o", "imgspec.kdl"])
        .success();
    assert_eq!(sandbox.read("a.Dockerfile"), "FROM scratch\n");
    std::fs::remove_file(sandbox.path("imgspec.kdl")).unwrap();
    sandbox
        .run(&["import", "bake.json", "-o", "imgspec.kdl"])
        .code(2)
        .says("a.Dockerfile` already exists");
    assert!(!is_there(&sandbox.path("imgspec.kdl")));
}
