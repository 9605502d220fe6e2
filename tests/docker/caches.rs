//! Caches of build steps in a registry: what one daemon has built, another need not build.

use crate::engine::by_turns;
use crate::{build, docker, named, nonce, on, remove_images};

/// An image with a step that takes its time, and one that writes something different each time it runs.
fn manifest(registry: &str, nonce: &str, cache: &str) -> String {
    format!(
        r#"image "a" {{
    builder "docker"
    registry "{registry}/imgspec-test"
    name "{nonce}"
    base-image "busybox:1.36"
    commands "cat /proc/sys/kernel/random/uuid > /id; echo {nonce}"
    {cache}
}}
"#
    )
}

#[test]
fn steps_come_from_the_registrys_cache() {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    for (store, engine) in by_turns() {
        let nonce = nonce();
        let sandbox = on(&engine);
        let written = manifest(&registry, &nonce, "cache-to \"auto\"");
        sandbox.write("imgspec.kdl", &written);
        if store == "classic" {
            sandbox
                .run(&["graph", "build"])
                .code(2)
                .says("Docker's classic image store cannot write caches")
                .says("imgspec.kdl:7");
            assert!(!sandbox.path(".imgspec/logs").exists());
            continue;
        }
        build(&sandbox, &[]).success();
        let id = || {
            let reference = &crate::references(&sandbox, &[])["a"];
            let said = docker(&engine, &["run", "--rm", reference, "cat", "/id"]);
            said.success().stdout
        };
        let first = id();
        for programs in ["", "1"] {
            remove_images(&engine, &sandbox, &[]);
            docker(&engine, &["builder", "prune", "--all", "--force"]).success();
            std::fs::remove_dir_all(sandbox.path(".imgspec")).expect("the state directory");
            let mut command = sandbox.command(&["graph", "build", "--progress", "json"]);
            command.env("IMGSPEC_DOCKER_PROGRAMS", programs);
            let again = crate::sandbox::Ran::of(&mut command).success();
            let cached = named(&again, "image-cached");
            assert!(cached.contains(&"a".to_owned()), "{}", again.stderr);
            // The very result of the step that ran before.
            assert_eq!(id(), first, "{store}, programs: {programs:?}");
        }
        // A new key takes what it shares with the last one.
        remove_images(&engine, &sandbox, &[]);
        docker(&engine, &["builder", "prune", "--all", "--force"]).success();
        let more = manifest(&registry, &nonce, "cache-to \"auto\"; cmd \"sh\"");
        sandbox.write("imgspec.kdl", &more);
        build(&sandbox, &[]).success();
        assert_eq!(id(), first, "{store}");
        remove_images(&engine, &sandbox, &[]);
    }
}

#[test]
fn a_cache_that_does_not_exist_is_no_error() {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is");
    for (_, engine) in by_turns() {
        let sandbox = on(&engine);
        let cache = format!("cache-from \"{registry}/imgspec-test/nothing:c\"");
        let nonce = nonce();
        sandbox.write("imgspec.kdl", &manifest(&registry, &nonce, &cache));
        build(&sandbox, &[]).success();
        remove_images(&engine, &sandbox, &[]);
    }
}
