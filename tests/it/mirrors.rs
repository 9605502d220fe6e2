//! Bases from mirrors that containers' `registries.conf` names.

use std::path::PathBuf;
use std::time::Duration;

use crate::registry::{Fault, Registry, layer, noise};
use crate::sandbox::Sandbox;

/// An image on a base of a registry that has a mirror, and the file that says so.
fn mirrored(registry: &str, mirror: &str) -> (Sandbox, PathBuf) {
    let manifest = format!(
        "defaults {{ builder \"oci\"; platform \"linux/amd64\"; }}\n\
         image \"app\" {{ base-image \"{registry}/team/base:1\"; env A=\"1\" }}\n"
    );
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]);
    let file = sandbox.path("../home/.config/containers/registries.conf");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let text = format!(
        "[[registry]]\nlocation = \"{registry}\"\n[[registry.mirror]]\nlocation = \"{mirror}/proxied\"\n"
    );
    std::fs::write(&file, text).unwrap();
    (sandbox, file)
}

fn with_base(repository: &str) -> Registry {
    let registry = Registry::new();
    let big = layer(&[("big", &noise(100_000, 3))]);
    registry.image(repository, &[layer(&[("a", b"a")]), big]);
    registry
}

const DEAD: &str = "127.0.0.1:1";

#[test]
fn a_mirror_is_asked_before_its_registry() {
    let (registry, mirror) = (with_base("team/base"), with_base("proxied/team/base"));
    let (sandbox, file) = mirrored(&registry.host, &mirror.host);
    sandbox.run(&["lock"]).success();
    sandbox.run(&["graph", "build"]).success();
    assert_eq!(registry.asked(), [""; 0]);
    assert!(
        mirror
            .asked()
            .iter()
            .all(|asked| asked.contains("/proxied/"))
    );
    // Which place an image came from makes no difference to it.
    let other = Sandbox::with(&[("imgspec.kdl", &sandbox.read("imgspec.kdl"))]);
    let digest = |sandbox: &Sandbox| {
        sandbox
            .run(&["graph", "build", "--force", "--metadata-file", "m.json"])
            .success();
        let metadata: serde_json::Value = serde_json::from_str(&sandbox.read("m.json")).unwrap();
        metadata["app"]["digest"].as_str().unwrap().to_owned()
    };
    std::fs::remove_file(sandbox.path("imgspec.lock")).unwrap();
    assert_eq!(digest(&sandbox), digest(&other));
    std::fs::write(&file, "[[registry]\n").unwrap();
    sandbox
        .run(&["graph", "build", "--force"])
        .code(1)
        .says("registries.conf` cannot be read");
    std::fs::write(
        &file,
        format!(
            "[[registry]]\nlocation = \"{}\"\nblocked = true\n",
            registry.host
        ),
    )
    .unwrap();
    sandbox
        .run(&["graph", "build", "--force"])
        .code(1)
        .says("`registries.conf` blocks");
}

#[test]
fn a_mirror_that_is_dead_or_lies_is_passed_over() {
    let registry = with_base("team/base");
    let (sandbox, _) = mirrored(&registry.host, DEAD);
    sandbox.run(&["lock"]).success();
    sandbox.run(&["graph", "build"]).success();

    let lying = with_base("proxied/team/base");
    lying.faults(|_, path| path.contains("/blobs/").then_some(Fault::Lie));
    let (sandbox, _) = mirrored(&registry.host, &lying.host);
    sandbox.run(&["graph", "build"]).success();
    let blobs = sandbox.path("../home/.cache/imgspec/images/blobs/sha256");
    for blob in blobs.read_dir().unwrap() {
        let blob = blob.unwrap();
        let name = format!("sha256:{}", blob.file_name().into_string().unwrap());
        assert_eq!(
            crate::registry::digest(&std::fs::read(blob.path()).unwrap()),
            name
        );
    }

    let slow = with_base("proxied/team/base");
    slow.faults(|_, _| Some(Fault::Late(Duration::from_secs(30))));
    let (sandbox, _) = mirrored(&registry.host, &slow.host);
    let sandbox = sandbox.env("IMGSPEC_IDLE_TIMEOUT", "1s");
    sandbox.run_soon(&["graph", "build"]).success();
}

#[test]
fn what_no_place_has_names_them_all() {
    let registry = with_base("team/other");
    registry.faults(|_, _| Some(Fault::Status(500, String::new())));
    let (sandbox, _) = mirrored(&registry.host, DEAD);
    let ran = sandbox.run(&["graph", "build", "--attempts", "1"]).code(1);
    let words = format!("mirror: registry `{DEAD}`: ");
    assert!(ran.stderr.contains(&words), "{}", ran.stderr);
    let words = format!("; registry `{}`: it answers 500", registry.host);
    assert!(ran.stderr.contains(&words), "{}", ran.stderr);
    let ran = sandbox.run(&["lock"]).code(2);
    assert!(
        ran.stderr.contains(DEAD) && ran.stderr.contains(&registry.host),
        "{}",
        ran.stderr
    );
}
