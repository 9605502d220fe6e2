//! Secrets reach the steps that request them and nothing else: everything written or printed is searched for their
//! values.

use std::path::Path;
use std::process::Command;

use crate::{by_turns, docker, nonce, on, references, remove};

/// Values that must not be found anywhere.
const CANARIES: [&str; 2] = ["canary-in-a-variable", "canary-in-a-file"];

const MANIFEST: &str = r#"
image "apt" {
    name "imgspec-secret-apt-NONCE"
    labels nonce="NONCE"
    copy "probe.conf" to="/etc/apt/apt.conf.d/probe"
}
image "it" {
    base-image image="apt"
    apt-packages "hello"
    name "imgspec-secret-NONCE"
    registry "REGISTRY/team"
    labels nonce="NONCE"
    secret "token" env="TOKEN" {
        commands env="API_TOKEN"
        packages mount="/run/secrets/pip"
        apt-packages env="APT_TOKEN"
    }
    secret "file" file="outside/key" { commands mount="/root/.key" }
    secret "everywhere" env="TOKEN"
    packages "iniconfig==2.0.0"
    commands "test $(printf %s \"$API_TOKEN\" | wc -c) = 20" "test $(wc -c < /root/.key) = 16"
    commands "test $(wc -c < /run/secrets/everywhere) = 20"
    commands "echo I was given $API_TOKEN and $(cat /root/.key)" "env; false || true"
    commands "wc -c < /root/.key > /size"
}
image "failing" {
    name "imgspec-secret-failing-NONCE"
    base-image "busybox:1.36"
    labels nonce="NONCE"
    secret "token" env="TOKEN" { commands env="API_TOKEN" }
    commands "echo it fails with $API_TOKEN; exit 3"
}
"#;

#[test]
fn a_secret_is_in_nothing_that_is_left() {
    let registry =
        std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where a registry is");
    for (store, engine) in by_turns() {
        let nonce = nonce();
        let sandbox = on(&engine).env("TOKEN", CANARIES[0]);
        sandbox.write(
            "imgspec.kdl",
            &MANIFEST
                .replace("NONCE", &nonce)
                .replace("REGISTRY", &registry),
        );
        sandbox.write("outside/key", CANARIES[1]);
        // apt runs this before it installs: without the secret in the variable, nothing is installed.
        let probe = r#"DPkg::Pre-Invoke { "test $(printf %s $APT_TOKEN | wc -c) = 20"; };"#;
        sandbox.write("probe.conf", probe);
        let mut said = String::new();
        for arguments in [
            &["graph", "build", "--progress", "json", "--push"][..],
            &["graph", "plan", "--format", "json"],
            &["explain", "it"],
            &["explain", "it", "--format", "json"],
            &["tag", "--format", "json"],
            &["graph", "build", "-v"],
        ] {
            let ran = sandbox.run(arguments);
            said.push_str(&ran.stdout);
            said.push_str(&ran.stderr);
        }
        assert!(said.contains("I was given *** and ***"), "{store}: {said}");
        assert!(said.contains("it fails with ***"), "{store}: {said}");
        sandbox.run(&["render", "it", "-o", "rendered"]).success();
        let it = references(&sandbox)["it"].clone();
        let history = docker(&engine, &["history", "--no-trunc", &it]).success();
        let inspected = docker(&engine, &["image", "inspect", &it]).success();
        for text in [&said, &history.stdout, &inspected.stdout] {
            for canary in CANARIES {
                assert!(!text.contains(canary), "{store}: {text}");
            }
        }
        std::fs::remove_dir_all(sandbox.path("outside")).unwrap();
        assert_eq!(
            found_in(&sandbox.root()),
            "",
            "{store}: what the workspace holds"
        );
        // The pushed image, as another machine would pull it.
        docker(&engine, &["image", "rm", "--force", &it]).success();
        docker(&engine, &["pull", "--quiet", &it]).success();
        let container = docker(&engine, &["create", &it, "x"]).success();
        let container = container.stdout.trim();
        let whole = tempfile::tempdir().unwrap();
        let tar = whole.path().join("image.tar");
        docker(
            &engine,
            &["export", "--output", tar.to_str().unwrap(), container],
        )
        .success();
        assert_eq!(
            found_in(whole.path()),
            "",
            "{store}: the files of the image"
        );
        let saved = tempfile::tempdir().unwrap();
        let tar = saved.path().join("image.tar");
        docker(&engine, &["save", "--output", tar.to_str().unwrap(), &it]).success();
        unpack(saved.path(), &tar);
        assert_eq!(found_in(saved.path()), "", "{store}: the layers");
        docker(&engine, &["rm", container]).success();
        remove(&engine, &references(&sandbox));
    }
}

#[test]
fn a_secret_that_is_not_there_is_missed_before_anything_is_built_and_only_then() {
    for (store, engine) in by_turns() {
        let nonce = nonce();
        let manifest = format!(
            "image \"it\" {{ name \"imgspec-secret-{nonce}\"; base-image \"busybox:1.36\"; labels nonce=\"{nonce}\"
                 secret \"token\" env=\"IMGSPEC_TEST_TOKEN\"; secret \"key\" file=\"nowhere\"; commands \"true\" }}\n"
        );
        let without = on(&engine);
        without.write("imgspec.kdl", &manifest);
        let ran = without.run(&["graph", "build"]);
        assert_eq!(ran.code, Some(2), "{store}: {}", ran.stderr);
        for word in [
            "`token`",
            "`IMGSPEC_TEST_TOKEN` is not set",
            "`key`",
            "nowhere",
        ] {
            assert!(ran.stderr.contains(word), "{store}: {}", ran.stderr);
        }
        without.run(&["graph", "plan"]).success();
        without.write("nowhere", "now it is");
        let with = without.env("IMGSPEC_TEST_TOKEN", "value");
        with.run(&["graph", "build"]).success();
        std::fs::remove_file(with.path("nowhere")).unwrap();
        // A fresh image needs no secrets, and a different value does not make a different image.
        let again = with
            .env("IMGSPEC_TEST_TOKEN", "another")
            .run(&["graph", "build"])
            .success();
        assert!(
            again.stderr.contains("fresh 1 in"),
            "{store}: {}",
            again.stderr
        );
    }
}

/// Lists the files below a directory that contain a canary.
fn found_in(folder: &Path) -> String {
    let mut found = String::new();
    for canary in CANARIES {
        let grep = Command::new("grep")
            .args(["-rlaF", canary])
            .arg(folder)
            .output()
            .unwrap();
        found.push_str(&String::from_utf8_lossy(&grep.stdout));
    }
    found
}

/// Unpacks an image archive and its layers, compressed or not.
fn unpack(folder: &Path, tar: &Path) {
    let run = |arguments: &[&str], at: &Path| {
        let done = Command::new("tar")
            .args(arguments)
            .current_dir(at)
            .output()
            .unwrap();
        done.status.success()
    };
    assert!(run(&["-xf", tar.to_str().unwrap()], folder));
    std::fs::remove_file(tar).unwrap();
    let blobs = folder.join("blobs/sha256");
    for blob in std::fs::read_dir(&blobs).unwrap().flatten() {
        let into = folder.join("layers").join(blob.file_name());
        std::fs::create_dir_all(&into).unwrap();
        // Manifests are not archives.
        if run(&["-xf", blob.path().to_str().unwrap()], &into) {
            std::fs::remove_file(blob.path()).unwrap();
        }
    }
}
