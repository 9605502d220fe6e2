//! Two machines, each with a Docker of its own, that share nothing but a registry without a list of what refers to images: what one has
//! built and pushed, the other knows, pulls and does not build.

use crate::engine::{by_turns, engines};
use crate::sandbox::Sandbox;
use crate::{build, built, docker, named, nonce, on, plan, references, remove_images};

const MANIFEST: &str = r#"
defaults { registry "REGISTRY/imgspec-test"; labels test="NONCE" }
image "tools" { name "NONCE-tools"; base-image "busybox:1.36"; commands "echo tools > /tools" }
image "app" { name "NONCE-app"; base-image image="tools"; copy "data.txt" to="/data.txt"; commands "cat /tools /data.txt > /both" }
"#;

/// A machine with this engine and a copy of the workspace.
fn machine(engine: &str, nonce: &str) -> Sandbox {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    let manifest = MANIFEST.replace("REGISTRY", &registry);
    let sandbox = on(engine);
    sandbox.write("imgspec.kdl", &manifest.replace("NONCE", nonce));
    sandbox.write("data.txt", "data\n");
    sandbox
}

/// Each engine as the first machine, and the other one as the second.
fn pairs() -> Vec<(String, String)> {
    let all: Vec<String> = engines().into_iter().map(|(_, engine)| engine).collect();
    let each = all.iter().enumerate();
    each.map(|(at, one)| (one.clone(), all[(at + 1) % all.len()].clone()))
        .collect()
}

#[test]
fn what_one_machine_has_pushed_another_knows_and_pulls() {
    for (one, other) in pairs() {
        let nonce = nonce();
        let first = machine(&one, &nonce).env("IMGSPEC_BUILT_BY", "the first");
        let ran = build(&first, &["--push"]).success();
        assert_eq!(
            named(&ran, "image-pushed"),
            ["app", "tools"],
            "{}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
        remove_images(&one, &first, &[]);

        let second = machine(&other, &nonce);
        let ran = build(&second, &["--push"]).success();
        assert!(built(&ran).is_empty(), "{}", ran.stderr);
        second.write("data.txt", "other\n");
        let planned = plan(&second, &["--push"]);
        assert!(planned[0].starts_with("tools fresh"), "{planned:?}");
        assert!(
            planned[1].starts_with("app build") && planned[1].contains("copy[0]:data.txt"),
            "{planned:?}"
        );
        second
            .run(&["explain", "app"])
            .success()
            .says("copy[0]:data.txt changed")
            .says(" by the first, as registry ");
        let text = second.run(&["graph", "plan", "--push"]).success().stdout;
        assert!(text.contains("(took "), "{text}");

        // The base comes with it, and what is built on it is built here.
        second
            .run(&["pull", "tools"])
            .success()
            .says("1 image pulled, 0 already here, 0 not");
        let ran = build(&second, &["--push"]).success();
        assert_eq!(built(&ran), ["app"], "{}", ran.stderr);
        second.write("data.txt", "data\n");
        second
            .run(&["pull"])
            .success()
            .says("1 image pulled, 1 already here, 0 not");
        let ran = build(&second, &[]).success();
        assert!(built(&ran).is_empty(), "{}", ran.stderr);
        second
            .run(&["explain", "app"])
            .success()
            .says("nothing differs from the last build")
            .says(" by the first");
        let app = references(&second, &[])["app"].clone();
        let said = docker(&other, &["run", "--rm", &app, "cat", "/both"]).success();
        assert_eq!(said.stdout, "tools\ndata\n");
        remove_images(&other, &second, &[]);
    }
}

#[test]
fn an_image_that_is_not_there_and_one_whose_engine_does_not_answer_are_told() {
    for (_, engine) in by_turns() {
        let sandbox = machine(&engine, &nonce());
        sandbox
            .run(&["pull"])
            .success()
            .says("app: not in its registry as it is now")
            .says("0 images pulled, 0 already here, 2 not");
        let away = machine("unix:///nowhere/docker.sock", &nonce());
        // The registry has nothing either, and that is known.
        away.run(&["pull", "--builder", "docker"])
            .success()
            .says("0 images pulled, 0 already here, 2 not");
    }
}
