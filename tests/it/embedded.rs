//! The embedded builder without any daemon: what it makes is the same everywhere, whole after any death, and refused in words.

mod commands;
mod conda;
mod debian;
mod files;
mod inspect;
mod packages;
mod podman;
mod python;
mod room;
mod sdists;
mod stack;
mod taken;
mod users;
mod uv;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::layout::is_layout;
use crate::sandbox::Sandbox;

const MANIFEST: &str = r#"
defaults { builder "oci"; }
image "tools" {
    base-image "scratch"
    env A="1"
    copy "bin" to="/usr/local/bin"
}
image "app" {
    base-image image="tools"
    workdir "/srv/app"
    copy "data.txt" to="." owner="1000:2000"
    entrypoint "/usr/local/bin/run"
    labels team="data"
    user "1000"
}
"#;

fn sandbox() -> Sandbox {
    let files = [
        ("imgspec.kdl", MANIFEST),
        ("bin/run", "#!/bin/sh\nexec true\n"),
        ("bin/lib/help.txt", "help\n"),
        ("data.txt", "data\n"),
    ];
    let sandbox = Sandbox::with(&files);
    let executable = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("bin/run"), executable).unwrap();
    sandbox
}

/// Builds, and returns the digest of `app` by the metadata file.
fn digest(sandbox: &Sandbox, more: &[&str]) -> String {
    let flags = ["graph", "build", "--metadata-file", "metadata.json"];
    sandbox.run(&[&flags, more].concat()).success();
    let metadata: serde_json::Value = serde_json::from_str(&sandbox.read("metadata.json")).unwrap();
    let _ = std::fs::remove_file(sandbox.path("metadata.json"));
    metadata["app"]["digest"].as_str().unwrap().to_owned()
}

fn store(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("../home/.cache/imgspec/images")
}

fn blobs(sandbox: &Sandbox) -> Vec<String> {
    let entries = store(sandbox).join("blobs/sha256").read_dir().unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn the_same_inputs_give_the_same_digest_everywhere() {
    let first = digest(&sandbox(), &[]);
    assert_eq!(
        first,
        "sha256:00d5d961c9a58ed621517843f5793e5c86aa5c8b37743643f3494a197ff5ff81"
    );
    for (name, value) in [
        ("RAYON_NUM_THREADS", "1"),
        ("TZ", "Pacific/Auckland"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("SOURCE_DATE_EPOCH", "1"),
    ] {
        assert_eq!(digest(&sandbox().env(name, value), &[]), first, "{name}");
    }
    assert_eq!(digest(&sandbox(), &["--jobs", "1"]), first);
}

#[test]
fn what_was_made_before_is_used_again() {
    let sandbox = sandbox();
    let first = digest(&sandbox, &[]);
    let before = blobs(&sandbox);
    let again = sandbox.run(&["graph", "build"]).success();
    assert!(again.stderr.contains("2 images fresh"), "{}", again.stderr);
    sandbox.write("data.txt", "other\n");
    let second = digest(&sandbox, &[]);
    assert_ne!(first, second);
    // A layer, a config and a manifest: the other layers are those of before.
    assert_eq!(blobs(&sandbox).len(), before.len() + 3);
    sandbox.write("data.txt", "data\n");
    let back = sandbox.run(&["graph", "build"]).success();
    assert!(back.stderr.contains("2 images fresh"), "{}", back.stderr);
    let mode = store(&sandbox).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn a_store_that_lost_something_is_noticed_and_mended() {
    let sandbox = sandbox();
    let first = digest(&sandbox, &[]);
    let folder = store(&sandbox);
    for blob in blobs(&sandbox) {
        std::fs::remove_file(folder.join("blobs/sha256").join(&blob)).unwrap();
        let plan = sandbox.run(&["graph", "plan"]).success().stdout;
        assert!(plan.contains("build"), "without {blob}: {plan}");
        assert_eq!(digest(&sandbox, &[]), first, "without {blob}");
    }
    for note in folder.join("notes").read_dir().unwrap() {
        std::fs::write(note.unwrap().path(), "{").unwrap();
    }
    assert_eq!(digest(&sandbox, &[]), first);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(digest(&sandbox, &[]), first);
}

#[test]
fn killed_at_any_moment_the_next_run_finishes_the_job() {
    let first = digest(&sandbox(), &[]);
    let sandbox = sandbox();
    for round in 0..30 {
        let mut child = sandbox.spawn(&["graph", "build"]);
        std::thread::sleep(Duration::from_micros(1500 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        if round % 5 == 4 {
            assert_eq!(digest(&sandbox, &[]), first, "after {round}");
            std::fs::remove_dir_all(sandbox.path(".imgspec")).unwrap();
            std::fs::remove_dir_all(store(&sandbox)).unwrap();
        }
    }
}

#[test]
fn two_runs_at_once_make_one_image() {
    let sandbox = sandbox();
    let mut children: Vec<_> = (0..4).map(|_| sandbox.spawn(&["graph", "build"])).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let unfinished = store(&sandbox).join("unfinished").read_dir().unwrap();
    assert_eq!(unfinished.count(), 0);
    assert_eq!(digest(&sandbox, &[]), digest(&self::sandbox(), &[]));
}

#[test]
fn several_platforms_are_one_image() {
    let sandbox = sandbox();
    let manifest = MANIFEST.replace(
        "defaults {",
        "defaults { platform \"linux/amd64\" \"linux/arm64\";",
    );
    sandbox.write("imgspec.kdl", &manifest);
    let digest = digest(&sandbox, &[]);
    let blob = store(&sandbox)
        .join("blobs/sha256")
        .join(&digest["sha256:".len()..]);
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(blob).unwrap()).unwrap();
    let platforms: Vec<&str> = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["platform"]["architecture"].as_str().unwrap())
        .collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    let plan = sandbox.run(&["graph", "plan"]).success().stdout;
    assert!(plan.contains("2 fresh"), "{plan}");
}

#[test]
fn what_it_cannot_do_is_said_before_anything_is_built() {
    let sandbox = Sandbox::with(&[
        (
            "imgspec.kdl",
            r#"image "app" {
    builder "oci"
    base-image "debian:12"
    apt-packages "git"
    packages "torch"
    pip-extra-args "--no-binary :all:"
    commands "true" "false"
}
image "own" { builder "oci"; dockerfile "Dockerfile"; }
"#,
        ),
        ("Dockerfile", "FROM scratch\n"),
    ]);
    let ran = sandbox.run(&["check"]);
    insta::assert_snapshot!(ran.stderr);
    assert!(!sandbox.path(".imgspec/state").exists());
}

#[test]
fn a_copied_name_that_would_remove_a_file_is_refused() {
    let manifest =
        "image \"app\" { builder \"oci\"; base-image \"scratch\"; copy \"src\" to=\"/bin\"; }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("src/.wh.sh", "")]);
    sandbox
        .run(&["graph", "build", "--attempts", "1"])
        .code(1)
        .says(
            "in a layer, `/bin/.wh.sh` would be a removal, of `/bin/sh`; rename it or leave it out",
        );
}

#[test]
fn images_of_other_builders_are_out_of_reach_and_that_is_said() {
    let sandbox = sandbox();
    let mixed = MANIFEST.replace("image \"app\" {", "image \"app\" {\n    builder \"docker\"");
    sandbox.write("imgspec.kdl", &mixed);
    sandbox.run(&["check"]).success();
    for builder in ["docker", "fake"] {
        let mixed = MANIFEST.replace(
            "image \"tools\" {",
            &format!("image \"tools\" {{\n    builder \"{builder}\""),
        );
        sandbox.write("imgspec.kdl", &mixed);
        let ran = sandbox.run(&["check"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        let words = format!("the `oci` builder cannot reach `tools`, which `{builder}` builds");
        assert!(ran.stderr.contains(&words), "{}", ran.stderr);
    }
    let mixed = MANIFEST.replace("image \"app\" {", "image \"app\" {\n    builder \"fake\"");
    sandbox.write("imgspec.kdl", &mixed);
    let ran = sandbox.run(&["check"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let words = "image `app`: the `fake` builder cannot reach `tools`, which `oci` builds";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("give both the same builder"),
        "{}",
        ran.stderr
    );
}

#[test]
fn loading_needs_a_docker_and_images_for_it() {
    let nowhere = "unix:///nowhere/docker.sock";
    // This machine may have a Podman, which would take them.
    let path = "/nowhere";
    let sandbox = sandbox().env("DOCKER_HOST", nowhere).env("PATH", path);
    let ran = sandbox.run(&["graph", "build", "--load"]);
    assert_ne!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("built 2"), "{}", ran.stderr);
    let words = "`app` cannot be brought into Docker";
    let all = ran.stderr.contains(words) || ran.stderr.contains("`tools` cannot be brought");
    assert!(all && ran.stderr.contains("docker"), "{}", ran.stderr);
    let mixed =
        format!("{MANIFEST}image \"other\" {{ builder \"fake\"; base-image \"scratch\"; }}\n");
    sandbox.write("imgspec.kdl", &mixed);
    let ran = sandbox.run(&["graph", "build", "--load"]).code(2);
    let words = "`other` is built by `fake`, whose images `--load` cannot bring into Docker";
    assert!(ran.stderr.contains(words), "{}", ran.stderr);
}

#[test]
fn a_registry_that_is_gone_is_told() {
    let sandbox = sandbox();
    let gone = MANIFEST.replace("\"scratch\"", "\"127.0.0.1:1/base:1\"");
    sandbox.write("imgspec.kdl", &gone);
    let ran = sandbox.run(&["graph", "build", "--attempts", "1"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("registry `127.0.0.1:1`"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_render_shows_what_layers_are_made_of() {
    let sandbox = sandbox();
    let script = sandbox.run(&["render", "app"]).success().stdout;
    let image: serde_json::Value = serde_json::from_str(&script).unwrap();
    assert_eq!(image["base"], "tools");
    assert_eq!(image["steps"][1], "copy to .");
    sandbox.run(&["render", "tools", "-o", "out"]).success();
    assert_eq!(sandbox.read("out/0/lib/help.txt"), "help\n");
}

#[test]
fn clean_removes_what_no_image_has_and_what_is_old() {
    let sandbox = sandbox();
    let first = digest(&sandbox, &[]);
    let before = blobs(&sandbox);
    let stray = store(&sandbox).join("blobs/sha256").join("0".repeat(64));
    std::fs::write(&stray, "stray").unwrap();
    sandbox.run(&["clean"]).success();
    assert_eq!(blobs(&sandbox), before);
    assert!(
        sandbox
            .run(&["graph", "plan"])
            .success()
            .stdout
            .contains("2 fresh")
    );
    let long_ago = std::time::SystemTime::now() - Duration::from_hours(100 * 24);
    for note in store(&sandbox).join("notes").read_dir().unwrap() {
        let note = note.unwrap();
        if note.file_name().to_string_lossy().starts_with("image-") {
            let file = std::fs::File::options()
                .write(true)
                .open(note.path())
                .unwrap();
            file.set_modified(long_ago).unwrap();
        }
    }
    sandbox.run(&["clean"]).success();
    assert_eq!(blobs(&sandbox), [""; 0]);
    assert_eq!(store(&sandbox).join("notes").read_dir().unwrap().count(), 0);
    assert_eq!(digest(&sandbox, &[]), first);
}

#[test]
fn images_are_written_to_files() {
    let sandbox = sandbox();
    let first = digest(&sandbox, &["--output", "oci:out/layout"]);
    is_layout(&sandbox.path("out/layout"));
    let index: serde_json::Value =
        serde_json::from_str(&sandbox.read("out/layout/index.json")).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2);
    let app = &index["manifests"][1];
    assert_eq!(app["digest"], first);
    let name = app["annotations"]["io.containerd.image.name"]
        .as_str()
        .unwrap();
    assert!(name.starts_with("docker.io/library/app:"), "{name}");
    let written = sandbox
        .path("out/layout/blobs/sha256")
        .read_dir()
        .unwrap()
        .count();
    assert_eq!(written, blobs(&sandbox).len());
    // Again, with one image: what is there stays, and the index names what was asked for.
    sandbox
        .run(&["graph", "build", "tools", "--output", "oci:out/layout"])
        .success();
    let index: serde_json::Value =
        serde_json::from_str(&sandbox.read("out/layout/index.json")).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);

    let mut archives = Vec::new();
    for name in ["a.tar", "b.tar"] {
        sandbox
            .run(&["graph", "build", "app", "--output", &format!("tar:{name}")])
            .success();
        archives.push(std::fs::read(sandbox.path(name)).unwrap());
    }
    let piped = sandbox
        .command(&["graph", "build", "app", "--output", "tar:-"])
        .output()
        .unwrap();
    assert!(
        archives[0] == archives[1] && archives[0] == piped.stdout,
        "the same bytes each time"
    );
    assert!(archives[0].len() > 5 * 512 && archives[0].len() % 512 == 0);
}

#[test]
fn what_cannot_be_written_to_files_is_said_before_anything_is_built() {
    let sandbox = sandbox();
    let refused = |flags: &[&str]| {
        let ran = sandbox.run(&[&["graph", "build"], flags].concat());
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        ran.stderr
    };
    for value in ["x", "oci:", "tar:", "zip:x"] {
        let words = refused(&["--output", value]);
        assert!(
            words.contains("write `oci:DIR`, `tar:FILE`"),
            "{value}: {words}"
        );
    }
    let mixed =
        format!("{MANIFEST}image \"other\" {{ builder \"fake\"; base-image \"scratch\"; }}\n");
    sandbox.write("imgspec.kdl", &mixed);
    let words = refused(&["--output", "tar:x.tar"]);
    assert!(
        words.contains("`other` is built by `fake`, whose images `--output` cannot write"),
        "{words}"
    );
    assert!(!sandbox.path(".imgspec/state").exists());
    sandbox.write("imgspec.kdl", MANIFEST);
    let words = refused(&["--output", "tar:nowhere/x.tar"]);
    assert!(
        words.contains("nowhere/x.tar` cannot be written"),
        "{words}"
    );
    sandbox.write("file", "");
    let words = refused(&["--output", "oci:file"]);
    assert!(
        words.contains("file` cannot be written") || words.contains("cannot be written to"),
        "{words}"
    );
}
