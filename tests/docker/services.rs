//! The example `services`: six images made where no Docker answers, then pulled and run by a real one.

use std::path::Path;
use std::process::Command;

use crate::engine::engines;
use crate::sandbox::{Ran, Sandbox};
use crate::{copy_folder, docker, nonce, references, remove_images};

/// What must run in each image.
const CALLS: [(&str, &[&str], &str); 6] = [
    ("base", &["python3", "-c", "print(1)"], "1\n"),
    (
        "science",
        &[
            "python3",
            "-c",
            "import numpy, pandas, sklearn; print(numpy.arange(3).sum())",
        ],
        "3\n",
    ),
    (
        "api",
        &[
            "python3",
            "-c",
            "import api, uvicorn; print(len(api.app.routes))",
        ],
        "1\n",
    ),
    ("features", &[], "1.0"),
    ("report", &[], "a: 2.0, b: 4.0\n"),
    ("train", &[], "slope: 2.0\n"),
];

/// The example with the archive of a Debian with Python as its base, and a registry of the test.
fn services() -> Sandbox {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    let images = std::env::var("IMGSPEC_TEST_IMAGES").expect("tests/run says where they are");
    let sandbox = Sandbox::new().env("DOCKER_HOST", "unix:///nowhere/docker.sock");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services");
    copy_folder(&example, &sandbox.root());
    let archive = Path::new(&images).join("debian.tar");
    std::fs::copy(archive, sandbox.path("base.tar")).unwrap();
    let text = sandbox.read("imgspec.kdl");
    let base = "base-image \"python:3.12-slim-bookworm\"";
    assert!(text.contains(base), "{text}");
    let text = text.replace(base, "base-image file=\"base.tar\"").replace(
        "localhost:5000",
        &format!("{registry}/imgspec-test/{}", nonce()),
    );
    sandbox.write("imgspec.kdl", &text);
    sandbox
}

#[test]
fn six_images_run_in_a_docker_that_had_no_part_in_them() {
    let sandbox = services();
    let ran = sandbox.run(&["graph", "build", "--push"]).success();
    assert!(ran.stderr.contains("built 6, pushed 6"), "{}", ran.stderr);
    let names = references(&sandbox, &[]);
    for (store, engine) in engines() {
        for (image, arguments, expected) in CALLS {
            let name = names[image].as_str();
            docker(&engine, &["pull", "-q", name]).success();
            let told = match arguments {
                [] => docker(&engine, &["run", "--rm", name]),
                [program, rest @ ..] => docker(
                    &engine,
                    &[&["run", "--rm", "--entrypoint", program, name], rest].concat(),
                ),
            };
            let told = told.success().stdout;
            assert!(told.contains(expected), "{image} on {store}: {told}");
        }
        remove_images(&engine, &sandbox, &[]);
    }
    let skopeo = std::env::var("IMGSPEC_TEST_SKOPEO").unwrap_or_else(|_| "skopeo".to_owned());
    // `tests/run` says it where there is none.
    if skopeo != "none" {
        for (image, name) in &names {
            let to = sandbox.path(&format!("../pulled/{image}"));
            std::fs::create_dir_all(&to).unwrap();
            let mut copy = Command::new(&skopeo);
            copy.args([
                "copy",
                "--quiet",
                "--src-tls-verify=false",
                "--insecure-policy",
            ])
            .arg(format!("docker://{name}"))
            .arg(format!("oci:{}:x", to.display()));
            Ran::of(&mut copy).success();
        }
    }
    let again = sandbox.run(&["graph", "build", "--push"]).success();
    assert!(again.stderr.contains("6 images fresh"), "{}", again.stderr);
}
