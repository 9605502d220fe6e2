//! Several platforms: an index if the store supports one, and error messages if it does not or if the platform cannot
//! run.

use crate::{by_turns, docker, engines, nonce, on, references, remove};

#[test]
fn several_platforms_become_an_index_that_is_found_again_for_all_of_them() {
    let registry =
        std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where a registry is");
    for (store, engine) in engines() {
        let nonce = nonce();
        let sandbox = on(&engine);
        sandbox.write("f", "file");
        let manifest = |platforms: &str| {
            format!(
                "defaults {{ registry \"{registry}/many-{nonce}\"; platform {platforms} }}\n\
                 image \"base\" {{ base-image \"scratch\"; copy \"f\" to=\"/f\" }}\n\
                 image \"child\" {{ base-image image=\"base\"; copy \"f\" to=\"/g\" }}\n"
            )
        };
        sandbox.write("imgspec.kdl", &manifest("\"linux/amd64\" \"linux/arm64\""));
        let ran = sandbox.run(&["graph", "build", "--push"]);
        if store == "classic" {
            assert_eq!(ran.code, Some(1));
            for word in [
                "linux/amd64 and linux/arm64",
                "containerd-snapshotter",
                "choose a single platform",
            ] {
                assert!(ran.stderr.contains(word), "{}", ran.stderr);
            }
            continue;
        }
        ran.success();
        let references = references(&sandbox);
        let raw = [
            "buildx",
            "imagetools",
            "inspect",
            "--raw",
            &references["child"],
        ];
        let index = docker(&engine, &raw).success().json();
        let platforms: Vec<&str> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["platform"]["architecture"].as_str().unwrap())
            .collect();
        assert_eq!(platforms, ["amd64", "arm64"]);
        // On another machine, with an empty store: the registry's index covers both.
        remove(&engine, &references);
        std::fs::remove_dir_all(sandbox.path(".imgspec")).unwrap();
        let again = sandbox.run(&["graph", "build", "--push"]).success();
        assert!(again.stderr.contains("fresh 2 in"), "{}", again.stderr);
    }
}

#[test]
fn what_this_machine_cannot_run_is_said_with_what_to_do() {
    for (store, engine) in by_turns() {
        let nonce = nonce();
        let sandbox = on(&engine);
        sandbox.write("imgspec.kdl", &format!(
            "image \"it\" {{ name \"imgspec-foreign-{nonce}\"; base-image \"scratch\"; platform \"linux/s390x\"; copy \"sh\" to=\"/bin/sh\"; commands \"true\" }}\n"
        ));
        // The header of a program for s390x: 64 bits, big-endian, executable, machine 22.
        let mut program = vec![0u8; 64];
        program[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 2, 1]);
        program[17] = 2;
        program[19] = 22;
        let path = sandbox.path("sh");
        std::fs::write(&path, program).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
        let ran = sandbox.run(&["graph", "build"]);
        assert_eq!(ran.code, Some(1), "{store}");
        assert!(
            ran.stderr.contains("install an emulator"),
            "{store}: {}",
            ran.stderr
        );
    }
}
