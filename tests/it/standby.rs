//! Which builder builds what names none: Docker where it answers, else the embedded builder.

use std::os::unix::fs::PermissionsExt;

use crate::sandbox::Sandbox;

/// Images that name no builder, and one that only Docker builds, with one on it.
const STANDBY: &str = r#"
image "files" { base-image "scratch"; copy "f" to="/f" }
image "more" { base-image image="files"; env A="1" }
image "own" { dockerfile "Dockerfile" }
image "on-own" { base-image image="own" }
"#;

#[test]
fn where_docker_does_not_answer_the_embedded_builder_builds_what_it_can() {
    let files = [
        ("imgspec.kdl", STANDBY),
        ("f", "1"),
        ("Dockerfile", "FROM scratch\n"),
    ];
    let sandbox = Sandbox::with(&files);
    let socket = sandbox.path("../docker.sock");
    let sandbox = sandbox.env("DOCKER_HOST", &format!("unix://{}", socket.display()));
    let program = sandbox.path("../bin/docker");
    std::fs::create_dir(program.parent().unwrap()).unwrap();
    std::fs::write(&program, "#!/bin/sh\nexit 1\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let sandbox = sandbox.env("PATH", program.parent().unwrap().to_str().unwrap());
    let builders = |more: &[&str]| -> Vec<String> {
        let ran = sandbox.run(&[&["graph", "plan", "--format", "json"], more].concat());
        let plan = ran.success().json();
        let images = plan["images"].as_array().unwrap().iter();
        images
            .map(|image| {
                format!("{} {}", image["builder"], image["builder_reason"]).replace('"', "")
            })
            .collect()
    };
    let (standby, default) = ("oci the default does not answer", "docker the default");
    assert_eq!(builders(&[]), [standby, standby, default, default]);
    let named = "docker `--builder` names it";
    assert_eq!(builders(&["--builder", "docker"]), [named; 4]);
    // Keys do not depend on who builds.
    let tags = sandbox.run(&["tag"]).success().stdout;
    let ran = sandbox.run(&["graph", "build", "files", "more"]).success();
    let words =
        "`docker` does not answer, so `oci` builds `files`, `more`; `imgspec doctor` says why";
    assert_eq!(ran.stderr.matches(words).count(), 1, "{}", ran.stderr);
    let again = sandbox.run(&["graph", "build", "files", "more"]).success();
    assert!(again.stderr.contains("2 images fresh"), "{}", again.stderr);
    assert!(
        !again.stderr.contains("does not answer"),
        "{}",
        again.stderr
    );
    // A socket that somebody listens on is Docker's, even if no answer comes.
    let _daemon = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let sandbox = sandbox.env("IMGSPEC_ANSWER_TIMEOUT", "300ms");
    let plan = sandbox.run(&["graph", "plan", "-v"]).success();
    assert_eq!(
        plan.stdout.matches("with docker: the default\n").count(),
        4,
        "{}",
        plan.stdout
    );
    assert_eq!(sandbox.run(&["tag"]).success().stdout, tags);
}

#[test]
fn systems_of_packages_are_made_by_the_embedded_builder_alone() {
    let image = |builder: &str| {
        format!(
            "image \"{builder}\" {{\n    builder \"{builder}\"\n    base-image debian=\"bookworm\"\n}}\n"
        )
    };
    let images = ["docker", "envd", "oci"].map(image).concat();
    let sandbox = Sandbox::with(&[("imgspec.kdl", &images)]);
    insta::assert_snapshot!(sandbox.run(&["check"]).code(2).stderr);
}
