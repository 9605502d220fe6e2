//! The life of a build: parents, failures, interrupts, missing daemons.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use imgspec::asking::Asker;
use imgspec::backend::docker::Docker;
use imgspec::backend::{Availability, Backend, BuildError, Cancel, Existence, StoreKind, Wanted};
use imgspec::recipe::Step;

use crate::bench::{Heard, failed, key, on_each_store, recipe, run, unique};
use crate::waiting::{is_running, wait_for};

#[test]
fn an_image_has_its_key_its_tag_and_its_id() {
    on_each_store(|bench| {
        let reference = bench.reference();
        let heard = Heard::default();
        let steps = vec![run(&format!("echo {}", unique()))];
        let recipe = recipe("busybox:1.36", steps);
        let backend = bench.backend();
        let image = bench
            .build_on(&backend, &recipe, &BTreeMap::new(), &reference, &heard)
            .unwrap();
        let labels = &bench.config(&image)["Labels"];
        assert_eq!(labels["dev.imgspec.key"], *key().to_string());
        assert_eq!(labels["dev.imgspec.image"], "it");
        assert_eq!(labels["org.opencontainers.image.base.name"], "busybox:1.36");
        let absent = bench.reference();
        let wanted = [absent.as_str(), &reference].map(|reference| Wanted {
            reference,
            place: StoreKind::Local,
            platforms: &[],
        });
        let present = Existence::Present {
            key: Some(key().to_string()),
            digest: image.digest,
            size: image.size,
        };
        assert_eq!(
            backend.exists(&wanted, Asker::silent()),
            [Existence::Absent, present]
        );
        let steps = heard.steps.into_inner().unwrap();
        assert!(
            steps.iter().any(|step| step.starts_with("commands: echo")),
            "{steps:?}"
        );
        // Again: everything is cached, and the image is the same.
        let heard = Heard::default();
        let again = bench
            .build_on(&backend, &recipe, &BTreeMap::new(), &reference, &heard)
            .unwrap();
        assert!(!heard.cached.into_inner().unwrap().is_empty());
        assert!(bench.has(&again.digest));
    });
}

#[test]
fn nothing_at_all_is_an_image_too() {
    on_each_store(|bench| {
        let image = bench
            .build(&bench.backend(), &recipe("scratch", Vec::new()))
            .unwrap();
        assert_eq!(bench.config(&image)["Labels"]["dev.imgspec.image"], "it");
    });
}

/// bake#1112
#[test]
fn a_parent_is_what_was_built_whatever_its_tag_became() {
    on_each_store(|bench| {
        let reference = bench.reference();
        let steps = vec![run(&format!("echo {} > /mark", unique()))];
        let backend = bench.backend();
        let none = BTreeMap::new();
        let parent = recipe("busybox:1.36", steps);
        let parent = bench
            .build_on(&backend, &parent, &none, &reference, &Heard::default())
            .unwrap();
        let mark = bench.sh(&parent, "cat /mark");
        // Another process moves the tag to another image.
        bench.docker(&["tag", "busybox:1.36", &reference]);
        let bases = BTreeMap::from([("base".to_owned(), parent.clone())]);
        let child = recipe("base", vec![run("cp /mark /copied")]);
        let build = |backend: &Docker| {
            let name = bench.reference();
            bench.build_on(backend, &child, &bases, &name, &Heard::default())
        };
        assert_eq!(bench.sh(&build(&backend).unwrap(), "cat /copied"), mark);
        // In a later run, which only finds the parent: tagged again, because otherwise the store would not retain it.
        bench.docker(&["tag", &parent.digest, &bench.reference()]);
        drop(backend);
        let later = bench.backend();
        assert_eq!(bench.sh(&build(&later).unwrap(), "cat /copied"), mark);
        drop(later);
        let names = bench.docker(&[
            "image",
            "inspect",
            "--format",
            "{{.RepoTags}}",
            &parent.digest,
        ]);
        assert!(!names.contains("imgspec-pin"), "{names}");
    });
}

/// pants#13461
#[test]
fn a_parent_that_is_gone_is_said() {
    on_each_store(|bench| {
        let gone = imgspec::backend::Artifact {
            backend: "docker".into(),
            reference: "gone:1".into(),
            digest: format!("sha256:{}", "0".repeat(64)),
            size: None,
        };
        let bases = BTreeMap::from([("base".to_owned(), gone)]);
        let child = recipe("base", vec![run("true")]);
        let built = bench.build_on(
            &bench.backend(),
            &child,
            &bases,
            &bench.reference(),
            &Heard::default(),
        );
        let (_, why) = failed(built);
        assert!(
            why.starts_with("`base`, which it is built on, is no longer in the local store"),
            "{why}"
        );
    });
}

/// buildx#1089
#[test]
fn a_failure_names_the_step_and_leaves_no_tag() {
    on_each_store(|bench| {
        let reference = bench.reference();
        let heard = Heard::default();
        let steps = vec![run("true"), run("echo some words; exit 7"), run("true")];
        let built = bench.build_on(
            &bench.backend(),
            &recipe("busybox:1.36", steps),
            &BTreeMap::new(),
            &reference,
            &heard,
        );
        let why = "`commands: echo some words; exit 7` failed with exit code 7".to_owned();
        assert_eq!(failed(built), ("commands[1]".to_owned(), why));
        assert!(
            heard
                .lines
                .into_inner()
                .unwrap()
                .contains(&"some words".to_owned())
        );
        assert!(!bench.has(&reference));
    });
}

/// buildkit#2855
#[test]
fn a_cancel_stops_the_step_in_the_daemon() {
    on_each_store(|bench| {
        for urgent in [false, true] {
            let seconds = format!(
                "86{}",
                std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos() % 9_000 + 1_000
            );
            let step = format!("sleep {seconds}");
            let recipe = recipe("busybox:1.36", vec![run(&format!("exec {step}"))]);
            let (reference, cancel) = (bench.reference(), Cancel::default());
            let (built, cancelled) = std::thread::scope(|scope| {
                let build = scope.spawn(|| {
                    let (none, heard) = (BTreeMap::new(), Heard::default());
                    bench.build_files(
                        &bench.backend(),
                        &recipe,
                        &[],
                        &none,
                        &reference,
                        &heard,
                        &cancel,
                    )
                });
                wait_for(|| is_running(&step), "the step runs");
                let cancelled = Instant::now();
                cancel.request();
                if urgent {
                    cancel.request();
                }
                (build.join().unwrap(), cancelled)
            });
            assert_eq!(built, Err(BuildError::Cancelled));
            wait_for(|| !is_running(&step), "the daemon stops the step");
            assert!(!bench.has(&reference));
            assert!(cancelled.elapsed() < Duration::from_mins(1));
        }
    });
}

/// flytekit#3251
#[test]
fn a_daemon_that_is_not_there_is_unknown_and_worth_another_try() {
    let environment = vec![("DOCKER_HOST".into(), "unix:///nonexistent.sock".into())];
    let backend = Docker::with(which::which("docker").ok(), environment);
    let Availability::Missing { why, .. } = backend.availability(Asker::silent()) else {
        panic!("there is one")
    };
    assert!(why.contains("does not answer"), "{why}");
    let wanted = [Wanted {
        reference: "a:1",
        place: StoreKind::Local,
        platforms: &[],
    }];
    assert!(matches!(
        backend.exists(&wanted, Asker::silent())[0],
        Existence::Unknown { .. }
    ));
    let none = Docker::with(None, Vec::new());
    let found = none.exists(&wanted, Asker::silent());
    let [Existence::Unknown { why }] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert!(why.starts_with("there is no `docker` in PATH"), "{why}");
}

#[test]
fn a_docker_of_before_buildx_builds_too() {
    on_each_store(|bench| {
        // The machine's own buildx is hidden from it.
        let Ok(client) = std::env::var("IMGSPEC_TEST_DOCKER_OLD_CLIENT") else {
            // Only the private engine provides one; tests/run reports this.
            eprintln!("left out: there is no Docker client of before buildx");
            return;
        };
        let hide = r#"sed 's/"Name":"buildx"/"Name":"hidden"/'"#;
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = info ] || exec '{client}' \"$@\"\n'{client}' \"$@\" | {hide}\n"
        );
        let program = bench.write("docker", &script);
        std::fs::set_permissions(
            &program,
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
        let backend = Docker::with(Some(program), bench.environment());
        let Availability::Ready { versions, .. } = backend.availability(Asker::silent()) else {
            panic!("{:?}", backend.availability(Asker::silent()))
        };
        assert!(
            versions.iter().all(|(part, _)| part != "buildx"),
            "{versions:?}"
        );
        let heard = Heard::default();
        let parent = recipe(
            "busybox:1.36",
            vec![
                Step::Env(vec![("A".into(), "x\ny".into())]),
                run("echo here; echo 1 > /one"),
            ],
        );
        let parent = bench
            .build_on(
                &backend,
                &parent,
                &BTreeMap::new(),
                &bench.reference(),
                &heard,
            )
            .unwrap();
        assert!(bench.has(&parent.digest), "{parent:?}");
        let bases = BTreeMap::from([("base".to_owned(), parent)]);
        let child = recipe("base", vec![run("cat /one; false")]);
        let built = bench.build_on(
            &backend,
            &child,
            &bases,
            &bench.reference(),
            &Heard::default(),
        );
        let why = "`commands: cat /one; false` failed with exit code 1".to_owned();
        assert_eq!(failed(built), ("commands[0]".to_owned(), why));
    });
}

/// buildx#59
#[test]
fn several_platforms_need_a_store_that_keeps_them() {
    on_each_store(|bench| {
        bench.write("a", "a");
        let mut recipe = recipe("scratch", vec![crate::bench::copy("a", "/a")]);
        recipe.platforms = vec!["linux/amd64".into(), "linux/arm64".into()];
        let built = bench.build(&bench.backend(), &recipe);
        if bench.is_classic() {
            let (_, why) = failed(built);
            assert!(why.contains("containerd-snapshotter"), "{why}");
        } else {
            assert!(bench.has(&built.unwrap().reference));
        }
    });
}
