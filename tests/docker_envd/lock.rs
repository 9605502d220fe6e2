//! envd builds on locked images, as Docker does.

use crate::bench::{Bench, nonce, on_each_engine};

/// Makes an image whose `/mark` contains this word.
fn make(bench: &Bench, reference: &str, content: &str) {
    let text = format!("FROM debian:bookworm-slim\nRUN echo {content} > /mark\n");
    bench.sandbox.write("../make/Dockerfile", &text);
    let folder = bench.sandbox.path("../make").display().to_string();
    let build = [
        "buildx",
        "build",
        "--builder",
        "default",
        "--provenance=false",
        "-q",
        "-t",
        reference,
        &folder,
    ];
    bench.docker(&build).success();
}

/// The same, but only in the registry.
fn push(bench: &Bench, reference: &str, content: &str) {
    make(bench, reference, content);
    bench.docker(&["push", "-q", reference]).success();
    bench
        .docker(&["image", "rm", "--force", reference])
        .success();
}

fn write(bench: &Bench, base: &str) {
    bench.sandbox.write(
        "imgspec.kdl",
        &format!("image \"app\" {{\n    builder \"envd\"\n    base-image \"{base}\"\n    commands \"cp /mark /seen\"\n}}\n"),
    );
}

#[test]
fn a_base_that_moved_changes_nothing_until_the_lock_says_so() {
    on_each_engine(|bench| {
        let registry = std::env::var("IMGSPEC_TEST_REGISTRY").unwrap();
        let base = format!("{registry}/imgspec-test/envd-lock-{}:1", nonce());
        push(bench, &base, "first");
        write(bench, &base);
        bench.sandbox.run(&["lock"]).success();
        push(bench, &base, "second");
        bench.build(&["--locked"]).success();
        assert_eq!(bench.shell("app", "cat /seen"), "first\n");
        let labels = bench.inspect("app")["Config"]["Labels"].clone();
        let digest = labels["org.opencontainers.image.base.digest"]
            .as_str()
            .unwrap();
        assert!(bench.sandbox.read("imgspec.lock").contains(digest));
        assert_eq!(labels["org.opencontainers.image.base.name"], base.as_str());
        bench.sandbox.run(&["lock", "--update"]).success();
        bench.build(&["--locked"]).success();
        assert_eq!(bench.shell("app", "cat /seen"), "second\n");
    });
}

#[test]
fn a_base_of_the_local_store_alone_is_the_one_that_is_locked() {
    on_each_engine(|bench| {
        let registry = std::env::var("IMGSPEC_TEST_REGISTRY").unwrap();
        let word = nonce();
        let [base, kept] =
            ["local", "kept"].map(|name| format!("{registry}/imgspec-test/envd-{name}-{word}:1"));
        make(bench, &base, "first");
        write(bench, &base);
        bench
            .sandbox
            .run(&["lock"])
            .success()
            .says("which no other machine has");
        bench.docker(&["tag", &base, &kept]).success();
        make(bench, &base, "second");
        bench.build(&["--locked"]).success();
        assert_eq!(bench.shell("app", "cat /seen"), "first\n");
        bench
            .docker(&["image", "rm", "--force", &base, &kept])
            .success();
    });
}
