//! Packages that a base has in another version, by the real program: those of another image of the workspace.

use std::collections::BTreeSet;

use super::index::{Index, wheel};
use super::{layers, root};
use crate::sandbox::Sandbox;

/// Two images on each other: `base` has these packages, and `app` those.
fn workspace(index: &Index, base: &str, app: &str) -> Sandbox {
    let host = &index.host;
    let manifest = format!(
        "defaults {{ builder \"oci\"; pip-index \"http://{host}/simple\"; }}\n\
         image \"base\" {{\n    base-image file=\"root.tar\"\n    requirements \"base.txt\"\n}}\n\
         image \"app\" {{\n    base-image image=\"base\"\n    requirements \"app.txt\"\n}}\n"
    );
    let files = [
        ("imgspec.kdl", manifest.as_str()),
        ("base.txt", base),
        ("app.txt", app),
    ];
    let sandbox = Sandbox::with(&files);
    std::fs::write(sandbox.path("root.tar"), root()).unwrap();
    sandbox
}

/// What `inspect` tells of the layers of `app` besides their digests.
fn made_by(sandbox: &Sandbox) -> Vec<String> {
    let told = sandbox.run(&["inspect", "app", "--format", "json"]);
    let told = told.success().json();
    let layers = told["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["made_by"].to_string()).collect()
}

#[test]
fn another_version_of_a_parents_package_takes_its_place() {
    let index = Index::new();
    let pin = |version: &str| {
        let hash = index.offer(
            &format!("one-{version}-py3-none-any.whl"),
            &wheel("one", version),
        );
        format!("one=={version} --hash=sha256:{hash}\n")
    };
    let (old, new) = (pin("1.0"), pin("2.0"));
    let sandbox = workspace(&index, &old, &new);
    // Each version is offered when it is asked for: the page of the index names one.
    index.offer("one-1.0-py3-none-any.whl", &wheel("one", "1.0"));
    sandbox.run(&["graph", "build", "base"]).success();
    index.offer("one-2.0-py3-none-any.whl", &wheel("one", "2.0"));
    sandbox.run(&["graph", "build"]).success();
    let replaced = layers(&sandbox);
    assert_eq!(replaced.len(), 4, "{replaced:?}");
    let words = made_by(&sandbox);
    assert!(words[2].contains("removed: one 1.0"), "{words:?}");
    assert!(words[3].contains("one 2.0"), "{words:?}");
    // The same wheel on a base without it: the same layer.
    sandbox.write("base.txt", "");
    let plain = sandbox
        .read("imgspec.kdl")
        .replace("    requirements \"base.txt\"\n", "");
    sandbox.write("imgspec.kdl", &plain);
    sandbox.run(&["graph", "build"]).success();
    let plain = layers(&sandbox);
    assert_eq!(plain.len(), 2);
    assert_eq!(plain[1], replaced[3]);
    let own: BTreeSet<&String> = replaced.iter().collect();
    assert_eq!(own.len(), 4);
}

#[test]
fn the_same_version_is_not_installed_again() {
    let index = Index::new();
    let hash = index.offer("one-1.0-py3-none-any.whl", &wheel("one", "1.0"));
    let pin = format!("one==1.0 --hash=sha256:{hash}\n");
    let sandbox = workspace(&index, &pin, &pin);
    sandbox.run(&["graph", "build"]).success();
    assert_eq!(layers(&sandbox).len(), 2);
}
