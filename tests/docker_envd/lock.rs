//! envd builds on locked images, as Docker does.

use crate::bench::{Bench, nonce, on_each_engine};

/// Makes an image whose `/mark` contains this word.
fn make(bench: &Bench, reference: &str, content: &str) {
    make_by(bench, reference, &format!("echo {content} > /mark"));
}

/// Makes an image by a command on Debian.
fn make_by(bench: &Bench, reference: &str, command: &str) {
    let text = format!("FROM debian:bookworm-slim\nRUN {command}\n");
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

#[test]
fn packages_that_are_locked_are_the_ones_that_envd_installs() {
    on_each_engine(|bench| {
        let registry = std::env::var("IMGSPEC_TEST_REGISTRY").unwrap();
        let base = format!("{registry}/imgspec-test/envd-python-{}:1", nonce());
        // Debian's Python, with what envd's own installation of packages needs.
        make_by(
            bench,
            &base,
            "apt-get update && apt-get install -y --no-install-recommends python3-venv",
        );
        bench.docker(&["push", "-q", &base]).success();
        let write = |package: &str| {
            let text = format!(
                "image \"app\" {{\n    builder \"envd\"\n    base-image \"{base}\"\n    packages \"{package}\"\n}}\n"
            );
            bench.sandbox.write("imgspec.kdl", &text);
        };
        write("iniconfig==2.0.0");
        bench
            .sandbox
            .run(&["lock"])
            .success()
            .says("added   iniconfig 2.0.0 (app)");
        // Newer ones are there, and asked for; what is locked stays as long as it fits.
        write("iniconfig>=2");
        bench.sandbox.run(&["lock"]).success();
        let lock = bench.sandbox.read("imgspec.lock");
        assert!(lock.contains("iniconfig-2.0.0-py3-none-any.whl"), "{lock}");
        let script = bench.sandbox.run(&["render", "app"]).success().stdout;
        assert!(script.contains("--require-hashes"), "{script}");
        bench.build(&["--locked"]).success();
        let version =
            "python3 -c 'import importlib.metadata as m; print(m.version(\"iniconfig\"))'";
        assert_eq!(bench.shell("app", version), "2.0.0\n");
        // Another hash: nothing is installed.
        let wheel = lock
            .lines()
            .find(|line| line.contains("wheel \"iniconfig\""))
            .unwrap();
        let digest = wheel
            .split('"')
            .find(|word| word.starts_with("sha256:"))
            .unwrap();
        let wrong = lock.replace(digest, &format!("sha256:{}", "0".repeat(64)));
        bench.sandbox.write("imgspec.lock", &wrong);
        let ran = bench.build(&["--locked"]).code(1);
        assert!(ran.stderr.to_lowercase().contains("hash"), "{}", ran.stderr);
        bench.docker(&["image", "rm", "--force", &base]).success();
    });
}
