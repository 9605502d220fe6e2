//! `--load` where no Docker answers: into Podman, by its command.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::sandbox;
use crate::browser::provided;
use crate::sandbox::{Ran, Sandbox};

const NOWHERE: &str = "unix:///nowhere/docker.sock";

/// A workspace where Docker does not answer, and `podman` is this script. It appends its arguments to `asked`.
fn with_podman(script: &str) -> Sandbox {
    let sandbox = sandbox();
    let asked = sandbox.path("asked").display().to_string();
    let text = format!("#!/bin/sh\necho \"$@\" >> '{asked}'\n{script}\n");
    sandbox.write("programs/podman", &text);
    let executable = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("programs/podman"), executable).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", sandbox.path("programs").display());
    sandbox.env("DOCKER_HOST", NOWHERE).env("PATH", &path)
}

fn load(sandbox: &Sandbox) -> Ran {
    sandbox.run(&["graph", "build", "app", "--load"])
}

#[test]
fn podman_pulls_by_digest_and_names_what_it_pulled() {
    let sandbox = with_podman("");
    let ran = load(&sandbox).success();
    assert!(
        ran.stderr.contains("loaded 1 into Podman"),
        "{}",
        ran.stderr
    );
    let asked = sandbox.read("asked");
    let lines: Vec<&str> = asked.lines().collect();
    let [pull, tag] = lines.as_slice() else {
        panic!("{asked}");
    };
    let name = pull.strip_prefix("pull --quiet --tls-verify=false 127.0.0.1:");
    let name = name.unwrap_or_else(|| panic!("{pull}"));
    assert!(name.contains("@sha256:"), "{pull}");
    let reference = sandbox.run(&["tag", "app"]).success().stdout;
    let expected = format!("tag 127.0.0.1:{name} {}", reference.trim());
    assert_eq!(*tag, expected);
}

#[test]
fn what_podman_cannot_do_is_told_with_what_docker_said() {
    let sandbox = with_podman("echo 'noise' >&2; echo 'Error: no space left' >&2; exit 125");
    let ran = load(&sandbox);
    assert_ne!(ran.code, Some(0));
    let words = "nor into Podman: `podman pull`: Error: no space left";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("/nowhere/docker.sock"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_real_podman_runs_what_was_loaded() {
    let Some(podman) = provided("IMGSPEC_TEST_PODMAN") else {
        return;
    };
    let store = tempfile::tempdir().unwrap();
    let place = |name: &str| store.path().join(name);
    let settings = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
        place("root").display(),
        place("run").display()
    );
    std::fs::write(place("storage.conf"), settings).unwrap();
    let settings = place("storage.conf").display().to_string();
    let sandbox = sandbox()
        .env("DOCKER_HOST", NOWHERE)
        .env("CONTAINERS_STORAGE_CONF", &settings);
    let ran = load(&sandbox).success();
    assert!(
        ran.stderr.contains("loaded 1 into Podman"),
        "{}",
        ran.stderr
    );
    let reference = sandbox.run(&["tag", "app"]).success().stdout;
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(&podman);
        let command = command
            .args(arguments)
            .env("CONTAINERS_STORAGE_CONF", &settings);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(output.stderr)
        );
        text(output.stdout)
    };
    let entrypoint = "{{json .Config.Entrypoint}} {{.Config.User}} {{.Config.WorkingDir}}";
    let config = ask(&["image", "inspect", reference.trim(), "--format", entrypoint]);
    assert_eq!(config.trim(), "[\"/usr/local/bin/run\"] 1000 /srv/app");
    // Only the reference names it, not the address that it was pulled from.
    let names = ask(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert_eq!(names.trim(), format!("localhost/{}", reference.trim()));
    let id = ask(&["create", reference.trim()]);
    let archive = place("app.tar").display().to_string();
    ask(&["export", "--output", &archive, id.trim()]);
    let mut archive = tar::Archive::new(std::fs::File::open(archive).unwrap());
    let entries = archive.entries().unwrap();
    let paths = entries.map(|it| it.unwrap().path().unwrap().display().to_string());
    let paths: Vec<String> = paths.collect();
    assert!(paths.contains(&"srv/app/data.txt".to_owned()), "{paths:?}");
}
