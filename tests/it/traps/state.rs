//! Records, image names, and state shared between builds.

use std::time::Duration;

use super::{copies, key};
use crate::sandbox::Sandbox;

#[track_caller]
fn wait_for(is_true: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_true() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_parent_that_is_gone_is_built_again_when_its_child_is() {
    // pants#13461, #13667, #16356: the state said "built", the image had been pruned.
    let manifest = "image \"os\" { base-image \"scratch\" }\nimage \"app\" { base-image image=\"os\"; copy \"src\" to=\"/src\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest), ("src/a", "1")]);
    sandbox.build(&[]).success();
    sandbox.built();
    let images = std::fs::read_dir(sandbox.path(".imgspec/fake/local")).unwrap();
    for image in images {
        let path = image.unwrap().path();
        if path.to_string_lossy().contains("os+") {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(sandbox.plan(&["app"]), ["app fresh"]);
    sandbox.write("src/a", "2");
    sandbox.build(&["app"]).success();
    assert_eq!(sandbox.built(), ["app", "os"]);
}

#[test]
fn what_is_finished_is_recorded_while_the_rest_still_builds() {
    // skaffold saves its state at the end: after a failure or a kill, everything is built again.
    let manifest =
        "image \"a\" { base-image \"scratch\" }\nimage \"b\" { base-image image=\"a\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]).env("IMGSPEC_FAKE_SECONDS", "0.5");
    let mut child = sandbox.spawn(&["graph", "build", "--builder", "fake"]);
    wait_for(|| sandbox.path(".imgspec/logs/b.log").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(sandbox.plan(&[]), ["a fresh", "b build never-built"]);
}

#[test]
fn equal_images_keep_their_own_names() {
    // skaffold#2694: of two artifacts with the same content, the wrong one was retagged.
    let image =
        |id: &str| format!("image \"{id}\" {{ base-image \"scratch\"; copy \"f\" to=\"/f\" }}\n");
    let manifest = image("one") + &image("two");
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest), ("f", "")]);
    assert_eq!(key(&sandbox, "one"), key(&sandbox, "two"));
    sandbox.build(&[]).success();
    assert_eq!(sandbox.built(), ["one", "two"]);
    sandbox.write("imgspec.kdl", &manifest.replacen("/f", "/g", 1));
    assert_eq!(
        sandbox.plan(&[]),
        ["one build input-changed:copy[0].to", "two fresh"]
    );
}

#[test]
fn two_images_with_one_reference_are_refused() {
    // skaffold#2694: the one built last has the name.
    let image =
        |id: &str, more: &str| format!("image \"{id}\" {{ base-image \"scratch\"; {more} }}\n");
    for (one, two) in [
        ("name \"x\"", "name \"x\""),
        ("name \"two\"", ""),
        (
            "name \"x\"; registry \"r.example.com/team\"",
            "name \"team/x\"; registry \"r.example.com\"",
        ),
        (
            "name \"x\"; tag-format \"v1\"",
            "name \"x\"; tag-format \"v1\"",
        ),
    ] {
        let manifest = image("one", one) + &image("two", two);
        let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]);
        sandbox
            .build(&[])
            .code(2)
            .says("images `one` and `two` are both called");
        assert!(!sandbox.path(".imgspec").exists());
    }
    let matrix =
        "image \"py{{ p }}\" { matrix { p \"1\" \"2\" }; base-image \"scratch\"; name \"py\" }\n";
    Sandbox::with(&[("imgspec.kdl", matrix)])
        .build(&[])
        .code(2)
        .says("are both called `py`");
}

#[test]
fn a_digest_that_changes_by_itself_is_in_no_key() {
    // moby#48391, for-mac#7297: a fully cached build has a new index digest each time.
    let manifest =
        "image \"os\" { base-image \"scratch\" }\nimage \"app\" { base-image image=\"os\" }\n";
    let sandbox = Sandbox::with(&[("imgspec.kdl", manifest)]);
    let before = (key(&sandbox, "os"), key(&sandbox, "app"));
    sandbox.build(&["--force"]).success();
    sandbox.build(&["--force"]).success();
    assert_eq!((key(&sandbox, "os"), key(&sandbox, "app")), before);
}

#[test]
fn downloads_are_shared_without_waiting_and_told_apart() {
    // moby/buildkit#1662, #2487: `shared` breaks apt's lock; dalec#1110: `locked` serializes the whole graph.
    let image = |id: &str, base: &str, platform: &str| {
        format!(
            "image \"{id}\" {{ base-image \"{base}\"; platform \"{platform}\"; apt-packages \"git\"; packages \"numpy\" }}\n"
        )
    };
    let manifest = [
        image("one", "debian:bookworm-slim", "linux/amd64"),
        image("two", "debian:trixie-slim", "linux/amd64"),
        image("arm", "debian:bookworm-slim", "linux/arm64"),
    ];
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest.concat())]);
    let mounts = |id: &str| -> Vec<String> {
        let text = sandbox
            .run(&["render", "--builder", "docker", id])
            .success()
            .stdout;
        let words = text.split_whitespace();
        words
            .filter(|word| word.starts_with("--mount=type=cache"))
            .map(str::to_owned)
            .collect()
    };
    let of = mounts("one");
    assert_eq!(of.len(), 3, "{of:?}");
    for mount in &of {
        let sharing = if mount.contains("id=imgspec-uv") {
            "sharing=shared"
        } else {
            "sharing=private"
        };
        assert!(mount.ends_with(sharing), "{mount}");
    }
    let apt = |mounts: Vec<String>| mounts[0].clone();
    assert!(apt(mounts("two")) != apt(of.clone()) && apt(mounts("arm")) != apt(of));
}

#[test]
fn a_state_that_cannot_be_written_loses_no_image() {
    // If the disk fills up in the middle of a graph, built images stay built, the cause is reported, and they are found
    // again by key.
    let sandbox = copies(&["src/a"]);
    sandbox.write(".imgspec/state/app.json/in-the-way", "");
    sandbox
        .build(&[])
        .success()
        .says("`app` is built but could not be recorded");
    assert_eq!(sandbox.plan(&[]), ["app fresh"]);
}

#[test]
fn a_state_folder_that_cannot_be_made_stops_before_anything_is_built() {
    let sandbox = copies(&["src/a"]);
    sandbox.write(".imgspec", "a file");
    sandbox
        .build(&[])
        .code(2)
        .says("`.imgspec` is a file, not a directory");
}
