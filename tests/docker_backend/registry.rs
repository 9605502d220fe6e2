//! Pushing to a registry and pulling from it.

use std::collections::BTreeMap;

use imgspec::asking::Asker;
use imgspec::backend::{Backend, BuildError, Cancel, Existence, Job, StoreKind, Wanted};
use imgspec::fingerprint::Outside;
use imgspec::recipe::Recipe;

use crate::bench::{Bench, Heard, key, on_each_store, recipe, run, unique, variable};

fn push(bench: &Bench, recipe: &Recipe, reference: &str) -> Result<String, BuildError> {
    let backend = bench.backend();
    let heard = Heard::default();
    let image = bench.build_on(&backend, recipe, &BTreeMap::new(), reference, &heard)?;
    let key = key();
    let job = Job {
        image: "it",
        recipe,
        key: &key,
        reference,
        files: &[],
        bases: BTreeMap::new(),
        outside: &Outside::default(),
        no_cache: false,
        is_base: true,
        root: bench.root.path(),
        scratch: bench.root.path().join("unused"),
    };
    backend.push(&job, &image, &heard, &Cancel::default())?;
    Ok(image.digest)
}

#[test]
fn what_was_pushed_is_found_and_can_be_built_on_when_it_is_no_longer_here() {
    on_each_store(|bench| {
        let registry = variable("IMGSPEC_TEST_REGISTRY");
        let name = unique();
        let reference = format!("{registry}/imgspec-test/{name}:1");
        let absent = format!("{registry}/imgspec-test/{name}:2");
        bench.note(&reference);
        let parent = recipe("busybox:1.36", vec![run(&format!("echo {name} > /mark"))]);
        let local = push(bench, &parent, &reference).unwrap();
        let backend = bench.backend();
        let wanted = [&absent, &reference].map(|reference| Wanted {
            reference,
            place: StoreKind::Registry,
            platforms: &[],
        });
        let found = backend.exists(&wanted, Asker::silent());
        assert_eq!(found[0], Existence::Absent);
        let Existence::Present {
            key: label, digest, ..
        } = &found[1]
        else {
            panic!("{found:?}")
        };
        assert_eq!(label.as_deref(), Some(key().to_string().as_str()));
        bench.docker(&["image", "rm", "--force", &local]);
        let artifact = imgspec::backend::Artifact {
            backend: "docker".into(),
            reference: reference.clone(),
            digest: digest.clone(),
            size: None,
        };
        let bases = BTreeMap::from([("base".to_owned(), artifact)]);
        let child = recipe("base", vec![run("cp /mark /copied")]);
        let child = bench
            .build_on(
                &backend,
                &child,
                &bases,
                &bench.reference(),
                &Heard::default(),
            )
            .unwrap();
        assert_eq!(bench.sh(&child, "cat /copied").trim(), name);
    });
}

#[test]
fn a_registry_that_is_not_there_is_worth_another_try() {
    on_each_store(|bench| {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let reference = format!("127.0.0.1:{port}/imgspec-test/{}:1", unique());
        bench.note(&reference);
        let pushed = push(bench, &recipe("busybox:1.36", Vec::new()), &reference);
        let Err(BuildError::Transient(why)) = pushed else {
            panic!("{pushed:?}")
        };
        assert!(why.contains("cannot be pushed"), "{why}");
    });
}
