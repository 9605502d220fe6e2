//! The stack of the root manifest, locked, with an archive and an index on the loopback interface.
//!
//! A file with programs of this machine stands where the manifest takes Debian's packages from the real archive.

use std::path::Path;

use serde_json::Value;

use super::debian::{base_on, offer};
use super::packages::index::{Index, wheel};
use super::sdists::with_uv;
use super::store;
use crate::sandbox::Sandbox;

/// The images of the stack.
const IMAGES: [&str; 4] = ["base", "report", "tables", "web"];

/// What the images install, with a Python as Debian has it.
const DEBS: [(&str, &str, &str); 4] = [
    ("ca-certificates", "20230311", ""),
    ("python3", "3.11.2-1+b1", "Depends: python3-minimal\n"),
    (
        "python3-minimal",
        "3.11.2-1+b1",
        "Depends: python3.11-minimal\n",
    ),
    ("python3.11-minimal", "3.11.2-6", ""),
];

/// The same when the archive has moved on.
const LATER: [(&str, &str, &str); 4] = [
    ("ca-certificates", "20240101", ""),
    ("python3", "3.11.2-2", "Depends: python3-minimal\n"),
    (
        "python3-minimal",
        "3.11.2-2",
        "Depends: python3.11-minimal\n",
    ),
    ("python3.11-minimal", "3.11.2-7", ""),
];

/// A copy of the root manifest and its files. What needs the real archive, or the Python of its packages, is replaced.
fn stack(index: &Index) -> Option<Sandbox> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut manifest = std::fs::read_to_string(root.join("imgspec.kdl")).unwrap();
    let defaults = format!(
        "defaults {{\n    pip-index \"http://{}/simple\"",
        index.host
    );
    for (from, to) in [
        ("defaults {", defaults.as_str()),
        (
            "base-image debian=\"bookworm\"",
            "base-image file=\"root.tar\"",
        ),
        (
            "commands \"python3 -m compileall -q report\" \"python3 -m report > /app/sample.txt\"",
            "commands \"cat report/*.py > /app/sample.txt\"",
        ),
    ] {
        assert_eq!(manifest.matches(from).count(), 1, "{from}: {manifest}");
        manifest = manifest.replace(from, to);
    }
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]);
    for folder in ["stack/report", "stack/web"] {
        for entry in root.join(folder).read_dir().unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let text = std::fs::read_to_string(entry.path()).unwrap();
            sandbox.write(&format!("{folder}/{name}"), &text);
        }
    }
    let python = [
        ("usr/bin/python3", 0o755, ""),
        ("usr/lib/python3.11/os.py", 0o644, ""),
    ];
    let base = base_on(index, "", "", &python);
    std::fs::write(sandbox.path("root.tar"), base).unwrap();
    with_uv(sandbox)
}

/// Builds what is locked; returns the digests by image.
fn digests(sandbox: &Sandbox) -> Vec<String> {
    let build = [
        "graph",
        "build",
        "--locked",
        "--metadata-file",
        "metadata.json",
    ];
    sandbox.run(&build).success();
    let metadata: Value = serde_json::from_str(&sandbox.read("metadata.json")).unwrap();
    let digest = |image: &str| metadata[image]["digest"].as_str().unwrap().to_owned();
    IMAGES.map(digest).to_vec()
}

#[test]
fn the_root_manifest_is_locked_and_built_as_it_is_locked() {
    let index = Index::new();
    offer(&index, "", &DEBS);
    let first = wheel("tabulate", "0.9.0");
    index.offer("tabulate-0.9.0-py3-none-any.whl", &first);
    let Some(sandbox) = stack(&index) else {
        return;
    };
    sandbox
        .run(&["graph", "build", "--locked"])
        .code(2)
        .says("`imgspec.lock` does not pin the packages of `base`, the packages of `tables`")
        .says("run `imgspec lock`");
    sandbox
        .run(&["lock"])
        .success()
        .says("added   4 Debian packages (base)")
        .says("added   tabulate 0.9.0 (tables)")
        .says("imgspec.lock: 0 images and 5 packages locked, written");
    sandbox.run(&["lock", "--check"]).success();
    let built = digests(&sandbox);
    let plan = ["graph", "plan", "--locked"];
    sandbox.run(&plan).success().says("0 to build, 4 fresh");

    // Another machine, later.
    offer(&index, "", &LATER);
    index.also_offer(
        "tabulate-0.10.0-py3-none-any.whl",
        &wheel("tabulate", "0.10.0"),
    );
    std::fs::remove_dir_all(store(&sandbox)).unwrap();
    std::fs::remove_dir_all(sandbox.path(".imgspec")).unwrap();
    assert_eq!(digests(&sandbox), built);
    sandbox.run(&["lock"]).success().says("unchanged");
}

#[test]
fn a_requirement_that_changed_is_named_with_what_to_run() {
    let index = Index::new();
    offer(&index, "", &DEBS);
    for version in ["0.9.0", "0.10.0"] {
        let file = format!("tabulate-{version}-py3-none-any.whl");
        index.also_offer(&file, &wheel("tabulate", version));
    }
    let Some(sandbox) = stack(&index) else {
        return;
    };
    sandbox.run(&["lock"]).success();
    let first = digests(&sandbox);
    let change = |from: &str, to: &str| {
        let manifest = sandbox.read("imgspec.kdl");
        assert!(manifest.contains(from), "{manifest}");
        sandbox.write("imgspec.kdl", &manifest.replace(from, to));
    };
    // Nothing is built, not even what has nothing to do with it, unless that alone is asked for.
    change("tabulate==0.9.0", "tabulate==0.10.0");
    let refused = sandbox
        .run(&["graph", "build", "--locked"])
        .code(2)
        .says(
            "image `tables`: its packages in `imgspec.lock` are out of date, so they are not used",
        )
        .says("`imgspec lock` resolves them anew")
        .says("`imgspec.lock` does not pin the packages of `tables`")
        .says("run `imgspec lock`");
    for other in ["image `base`", "image `report`", "image `web`"] {
        assert!(!refused.stderr.contains(other), "{}", refused.stderr);
    }
    sandbox
        .run(&["graph", "build", "--locked", "web"])
        .success();
    sandbox
        .run(&["lock"])
        .success()
        .says("updated tabulate 0.9.0 -> 0.10.0 (tables)");
    let second = digests(&sandbox);
    let is_other = |at: usize| first[at] != second[at];
    let changed: Vec<&str> = (0..IMAGES.len())
        .filter(|at| is_other(*at))
        .map(|at| IMAGES[at])
        .collect();
    assert_eq!(changed, ["report", "tables"]);

    // The Python comes with Debian's packages: what is locked for it is out of date with them.
    change("\"ca-certificates\" \"python3\"", "\"python3\"");
    sandbox
        .run(&["graph", "build", "--locked"])
        .code(2)
        .says("image `base`: its packages in `imgspec.lock` are out of date")
        .says("the packages of `base`");
    sandbox.run(&["lock"]).success();
    digests(&sandbox);
}
