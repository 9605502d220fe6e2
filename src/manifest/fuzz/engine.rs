//! Runs generated manifests through the real `BuildKit`: it must accept the rendered Dockerfiles and preserve all values. This
//! validates the Dockerfile parser that the other tests rely on.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::bench::Bench;
use super::grammar::Grammar;
use super::model::GenNode;
use super::pools::Pools;
use super::spelling::spell;
use super::{Manifests, values};
use crate::backend::docker::Docker;
use crate::backend::{Backend, Cancel, Notes};
use crate::fuzz::{Random, dockerfile};
use crate::spec::ImageSpec;
use crate::spec::rules;

/// The number of Dockerfiles that `BuildKit` parses, in a single call.
const READ: usize = 150;

/// The number of images that it builds; they consist only of values.
const BUILT: usize = 24;

struct Silent;

impl Notes for Silent {
    fn step(&self, _: usize, _: usize, _: &str) {}
    fn cached(&self, _: &str) {}
    fn log(&self, _: &str) {}
}

fn host() -> String {
    std::env::var("IMGSPEC_TEST_DOCKER_CLASSIC")
        .expect("no engine: run these tests through tests/run")
}

fn docker(arguments: &[&str]) -> Command {
    let mut docker = Command::new("docker");
    docker.env("DOCKER_HOST", host()).args(arguments);
    docker
}

/// The Dockerfiles of accepted manifests.
fn rendered(bench: &Bench) -> Vec<String> {
    let mut found = Vec::new();
    let mut random = Random::new(2026);
    while found.len() < READ {
        let manifests = Manifests::make(&mut random);
        let (root, sub) = manifests.texts();
        if manifests.spoilt.is_some() || !manifests.world.sub.is_empty() {
            continue;
        }
        bench.write(&[
            (Path::new("imgspec.kdl"), &root),
            (Path::new("unused"), &sub),
        ]);
        let world = &manifests.world;
        let checked = bench.check(&world.vars, &world.sets, &world.env);
        if checked.has_errors() {
            continue;
        }
        let Ok(session) = bench.session(checked) else {
            continue;
        };
        for id in session.world.graph.ids() {
            let own = session.world.workspace.images[id.index()]
                .spec
                .dockerfile
                .is_some();
            let text = bench.render(&session, id, "docker").unwrap();
            found.extend(text.filter(|_| !own));
        }
    }
    found
}

#[test]
fn buildkit_reads_rendered_dockerfiles() {
    let texts = rendered(&Bench::new());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Dockerfile");
    // All stages in one file, so that a single call checks them all.
    std::fs::write(&file, texts.concat()).unwrap();
    let path = file.to_str().unwrap();
    let said = docker(&[
        "buildx",
        "build",
        "--builder",
        "default",
        "--call=targets,format=json",
        "--file",
        path,
        folder.path().to_str().unwrap(),
    ]);
    let said = { said }.output().unwrap();
    let err = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{err}\n{}", texts.concat());
    let told: Value = serde_json::from_slice(&said.stdout).unwrap();
    let stages = told["targets"].as_array().unwrap();
    assert_eq!(
        stages.len(),
        texts.len(),
        "each is one stage, whatever is in it"
    );
}

/// Images that consist only of values.
fn of_values(random: &mut Random) -> Vec<GenNode> {
    let image = |at: usize| {
        let mut fields = vec![
            GenNode::new("base-image").arg("scratch"),
            GenNode::new("name").arg(format!("imgspec-fuzz/{at}").as_str()),
        ];
        for name in ["env", "labels", "entrypoint", "cmd", "workdir", "user"] {
            let field = crate::spec::fields::find(name).unwrap();
            fields.push(match name {
                "env" => (0..12).fold(GenNode::new(name), |node, at| {
                    node.prop(&format!("A{at}"), values::any(random).as_str())
                }),
                "workdir" => GenNode::new(name).arg(
                    values::taken(rules::absolute, random)
                        .unwrap_or_else(|| "/".into())
                        .as_str(),
                ),
                _ => Grammar::new(random).field(field),
            });
        }
        let mut image = GenNode::new("image").arg(format!("i{at}").as_str());
        image.children = fields;
        image
    };
    (0..BUILT).map(image).collect()
}

#[test]
fn buildkit_makes_of_values_what_they_were() {
    let bench = Bench::new();
    let mut random = Random::new(77);
    let _ = Pools::get();
    let images = of_values(&mut random);
    // One workspace per image, so that an error in one does not affect the others.
    let program = which::which("docker").ok();
    let backend = Docker::with(program, vec![("DOCKER_HOST".into(), host().into())]);
    let mut built = 0;
    for image in images {
        let text = spell(&[image], &mut random);
        bench.write(&[(Path::new("imgspec.kdl"), &text)]);
        let checked = bench.check(&[], &[], &[]);
        let Ok(session) = bench.session(checked) else {
            continue;
        };
        let id = session.world.graph.order()[0];
        let (key, reference) = (session.prints.key(id), session.reference(id));
        let job = bench.job(&session, id, "docker", &key, &reference);
        let artifact = backend.build(&job, &Silent, &Cancel::default());
        let artifact = artifact.unwrap_or_else(|error| panic!("{error}\n{text}"));
        let said = docker(&["image", "inspect", &artifact.reference])
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        says(
            &said[0]["Config"],
            &session.world.workspace.images[0].spec,
            &text,
        );
        let read = bench.render(&session, id, "docker").unwrap().unwrap();
        agrees(&said[0]["Config"], &read);
        docker(&["image", "rm", &artifact.reference])
            .output()
            .unwrap();
        built += 1;
    }
    assert!(built * 2 > BUILT, "only {built} were built");
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().into_iter().flatten();
    all.filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

/// The environment variables of a built image.
fn environment(config: &Value) -> BTreeMap<String, String> {
    let pairs = texts(&config["Env"]);
    let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn says(config: &Value, spec: &ImageSpec, text: &str) {
    let environment = environment(config);
    for (name, value) in &spec.env {
        assert_eq!(
            environment.get(name),
            Some(value),
            "the variable {name:?} of {text}"
        );
    }
    for (name, value) in &spec.labels {
        assert_eq!(
            config["Labels"][name].as_str(),
            Some(value.as_str()),
            "the label {name:?} of {text}"
        );
    }
    assert_eq!(
        texts(&config["Entrypoint"]),
        spec.entrypoint.clone().unwrap_or_default(),
        "{text}"
    );
    assert_eq!(
        texts(&config["Cmd"]),
        spec.cmd.clone().unwrap_or_default(),
        "{text}"
    );
    assert_eq!(
        config["User"].as_str().unwrap_or_default(),
        spec.user.as_deref().unwrap_or_default(),
        "{text}"
    );
}

/// Asserts that the test parser read the same values.
fn agrees(config: &Value, text: &str) {
    let read = dockerfile::read(text, &[("IMGSPEC_NEWLINE", "\n")]).unwrap();
    let mut environment = environment(config);
    environment.remove("PATH");
    let mut own = read.env;
    own.remove("PATH");
    assert_eq!(own, environment, "{text}");
    let labels = config["Labels"].as_object().into_iter().flatten();
    let labels: BTreeMap<String, String> = labels
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(read.labels, labels, "{text}");
}
