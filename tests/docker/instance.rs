//! Builders of buildx: a remote `BuildKit` at a TCP address, which has nothing in common with the local Docker but a registry.

#[path = "../engine/bridge.rs"]
mod bridge;

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::dice::Dice;
use crate::engine::engines;
use crate::monorepo::anew;
use crate::names::manifest_text;
use crate::sandbox::{Ran, Sandbox};
use crate::{build, built, copy_folder, docker, named, nonce, on, plan, references, remove_images};
use bridge::Bridge;

/// No Docker is there.
const NOWHERE: &str = "unix:///nowhere/docker.sock";

/// Values that must not be found anywhere.
const CANARY: &str = "canary-for-a-builder-elsewhere";

/// The daemon whose `BuildKit` is the remote one: only with containerd's store it exports to registries.
fn daemon() -> String {
    let mut all = engines().into_iter();
    let found = all.find(|(store, _)| *store == "containerd");
    found
        .expect("tests/run starts one with containerd's store")
        .1
}

/// The daemon that images are loaded into: another one where there is one.
fn local() -> String {
    engines().swap_remove(0).1
}

fn registry() -> String {
    std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is")
}

fn buildx(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let mut command = Command::new("docker");
    command
        .arg("buildx")
        .args(arguments)
        .env("HOME", sandbox.path("../home"))
        .env_remove("DOCKER_CONFIG");
    Ran::of(&mut command)
}

/// Makes the builder `far` of buildx, a `BuildKit` at a TCP address.
fn far(sandbox: &Sandbox) -> Bridge {
    let bridge = Bridge::new(&daemon());
    let address = bridge.address();
    let create = ["create", "--name", "far", "--driver", "remote", &address];
    buildx(sandbox, &create).success();
    bridge
}

#[test]
fn the_example_monorepo_is_built_by_a_remote_builder_that_shares_only_a_registry() {
    let sandbox = on(NOWHERE);
    let _bridge = far(&sandbox);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monorepo");
    copy_folder(&example, &sandbox.root());
    let manifest = sandbox.read("imgspec.kdl");
    sandbox.write("imgspec.kdl", &anew(&manifest, &nonce()));
    let var = format!("registry={}/monorepo", registry());
    let with = ["--var", &var, "--push", "--builder-instance", "far"];
    let run = || build(&sandbox, &with).success();

    let cold = run();
    let images = built(&cold);
    assert!(images.len() >= 12, "{images:?}");
    assert_eq!(named(&cold, "image-pushed"), images);
    std::fs::remove_dir_all(sandbox.path(".imgspec")).unwrap();
    let again = run();
    assert!(built(&again).is_empty(), "{}", again.stderr);
    assert!(named(&again, "image-pushed").is_empty(), "{}", again.stderr);

    let file = "models/trainer/__main__.py";
    sandbox.write(file, &format!("{}\n# edited\n", sandbox.read(file)));
    let planned = plan(&sandbox, &with);
    let of = planned.iter().filter(|line| line.contains(" build "));
    let mut of: Vec<&str> = of.filter_map(|line| line.split(' ').next()).collect();
    of.sort_unstable();
    assert!(
        of.contains(&"online") && !of.contains(&"dataset"),
        "{planned:?}"
    );
    assert_eq!(built(&run()), of);

    // What is in the registry runs in a Docker that had no part in it.
    let local = local();
    let names = references(&sandbox, &["--var", &var]);
    let name = names["batch-scorer"].as_str();
    docker(&local, &["pull", "-q", name]).success();
    let said = docker(&local, &["run", "--rm", name]).success();
    assert!(!said.stdout.is_empty());
    let _ = docker(&local, &["image", "rm", "--force", name]);
}

const CHAIN: &str = r#"
defaults { labels nonce="NONCE"; builder "docker" }
image "base" { name "imgspec-far-NONCE-base"; base-image "busybox:1.36"; copy "f" to="/f" }
image "tools" { name "imgspec-far-NONCE-tools"; base-image "busybox:1.36"; commands "echo tools > /tools" }
image "app" {
    name "imgspec-far-NONCE-app"
    base-image image="base"
    copy image="tools" "/tools" to="/tools"
    secret "token" env="TOKEN"
    commands "test $(printf %s $(cat /run/secrets/token) | wc -c) = LENGTH" "cat /run/secrets/token"
    cmd "cat" "/f" "/tools"
}
image "own" { name "imgspec-far-NONCE-own"; dockerfile "own.Dockerfile" { contexts { below image="app" } } }
"#;

#[test]
fn without_a_push_images_are_loaded_and_their_bases_sent_along() {
    let nonce = nonce();
    let engine = local();
    let sandbox = on(&engine).env("TOKEN", CANARY).without(CANARY);
    let bridge = far(&sandbox);
    let length = CANARY.len().to_string();
    let manifest = CHAIN.replace("NONCE", &nonce).replace("LENGTH", &length);
    sandbox.write("imgspec.kdl", &manifest);
    sandbox.write(
        "own.Dockerfile",
        "FROM below\nRUN echo own > /own\nCMD [\"cat\", \"/f\", \"/own\"]\n",
    );
    sandbox.write("f", "first\n");
    let with = ["--builder-instance", "far"];
    let cold = build(&sandbox, &with).success();
    assert_eq!(
        built(&cold),
        ["app", "base", "own", "tools"],
        "{}",
        cold.stderr
    );
    assert!(cold.stderr.contains("***"), "{}", cold.stderr);
    assert!(bridge.accepted() > 0);
    let says = |image: &str| {
        let name = references(&sandbox, &[])[image].clone();
        docker(&engine, &["run", "--rm", &name]).success().stdout
    };
    assert_eq!(says("app"), "first\ntools\n");
    assert_eq!(says("own"), "first\nown\n");
    assert!(built(&build(&sandbox, &with).success()).is_empty());
    // Only what needs the file, on bases of the earlier run.
    let first = references(&sandbox, &[]);
    sandbox.write("f", "other\n");
    let edited = build(&sandbox, &with).success();
    assert_eq!(built(&edited), ["app", "base", "own"], "{}", edited.stderr);
    assert_eq!(says("app"), "other\ntools\n");
    // The daemon's own builds find them too.
    assert!(built(&build(&sandbox, &["--builder-instance", "default"]).success()).is_empty());
    let images = docker(&engine, &["image", "ls", "--format", "{{.Repository}}"]).success();
    assert!(
        !images.stdout.contains("imgspec-image"),
        "{}",
        images.stdout
    );
    let names: Vec<&str> = first.values().map(String::as_str).collect();
    let _ = docker(
        &engine,
        &[&["image", "rm", "--force"], names.as_slice()].concat(),
    );
    remove_images(&engine, &sandbox, &[]);
}

const PAIR: &str = r#"
defaults { registry "REGISTRY/imgspec-test"; labels nonce="NONCE"; builder "docker" }
image "base" { name "far-NONCE-base"; base-image "busybox:1.36"; copy "f" to="/f" }
image "app" { name "far-NONCE-app"; base-image image="base"; commands "echo app > /app"; env A="1"; cmd "cat" "/f" "/app" }
"#;

/// `docker image inspect` of an image.
fn inspected(engine: &str, reference: &str) -> serde_json::Value {
    let inspect = ["image", "inspect", "--format", "{{json .}}", reference];
    let said = docker(engine, &inspect).success().stdout;
    serde_json::from_str(&said).unwrap()
}

#[test]
fn what_is_pushed_from_there_is_loaded_here_as_the_same_image() {
    for (store, engine) in engines() {
        let sandbox = on(&engine);
        let bridge = far(&sandbox);
        let manifest = PAIR.replace("REGISTRY", &registry());
        sandbox.write("imgspec.kdl", &manifest.replace("NONCE", &nonce()));
        sandbox.write("f", "first\n");
        let run = || {
            let with = ["--push", "--load", "--builder-instance", "far"];
            let more = ["--metadata-file", "metadata.json", "app"];
            build(&sandbox, &[&with[..], &more].concat()).success()
        };
        let cold = run();
        assert_eq!(built(&cold), ["app", "base"], "{store}: {}", cold.stderr);
        assert_eq!(named(&cold, "image-pushed"), ["app"]);
        assert!(bridge.accepted() > 0);

        // The registry, this Docker and what is said agree.
        let references = references(&sandbox, &[]);
        let name = references["app"].as_str();
        let text = manifest_text(name).unwrap();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&text)));
        let metadata = sandbox.read("metadata.json");
        let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(metadata["app"]["digest"], digest.as_str(), "{store}");
        let here = || inspected(&engine, name);
        let image = here();
        let of_registry = image["RepoDigests"].as_array().unwrap();
        let is_same = |it: &serde_json::Value| it.as_str().unwrap().ends_with(&digest);
        assert!(of_registry.iter().any(is_same), "{store}: {image}");
        let pushed: serde_json::Value = serde_json::from_str(&text).unwrap();
        let id = match store {
            "classic" => pushed["config"]["digest"].as_str().unwrap(),
            _ => digest.as_str(),
        };
        assert_eq!(image["Id"], id, "{store}");
        let variables = image["Config"]["Env"].as_array().unwrap();
        assert!(variables.contains(&"A=1".into()), "{store}: {image}");
        let says = docker(&engine, &["run", "--rm", name]).success().stdout;
        assert_eq!(says, "first\napp\n", "{store}");
        // Only what was selected, under its name.
        if engine != daemon() {
            let base = docker(&engine, &["image", "inspect", &references["base"]]);
            base.code(1);
        }

        // What is fresh in the registry is loaded where it is missing, and built no more.
        docker(&engine, &["image", "rm", "--force", name]).success();
        let again = run();
        assert!(built(&again).is_empty(), "{store}: {}", again.stderr);
        assert!(named(&again, "image-pushed").is_empty());
        assert_eq!(here()["Id"], id, "{store}");
        remove_images(&engine, &sandbox, &[]);
    }
}

#[test]
fn the_current_builder_and_the_variable_are_respected() {
    let nonce = nonce();
    let engine = local();
    let sandbox = on(&engine);
    let bridge = far(&sandbox);
    let image = |word: &str| {
        format!(
            "image \"a\" {{ builder \"docker\"; name \"imgspec-far-{nonce}\"; base-image \"busybox:1.36\"; labels a=\"{word} {nonce}\" }}\n"
        )
    };
    let accepted = bridge.accepted();
    sandbox.write("imgspec.kdl", &image("1"));
    assert_eq!(built(&build(&sandbox, &[]).success()), ["a"]);
    assert_eq!(bridge.accepted(), accepted, "the daemon builds itself");
    remove_images(&engine, &sandbox, &[]);

    let mut select = Command::new("docker");
    select
        .args(["buildx", "use", "far"])
        .env("HOME", sandbox.path("../home"))
        .env("DOCKER_HOST", &engine)
        .env_remove("DOCKER_CONFIG");
    Ran::of(&mut select).success();
    sandbox.write("imgspec.kdl", &image("2"));
    assert_eq!(built(&build(&sandbox, &[]).success()), ["a"]);
    let used = bridge.accepted();
    assert!(used > accepted, "`far` builds");
    sandbox
        .run(&["doctor"])
        .says("builds run in buildx's builder `far` (remote), which `docker buildx use` names")
        .says("node `far0` at tcp://127.0.0.1:")
        .says(": running, BuildKit ");
    remove_images(&engine, &sandbox, &[]);

    let used = bridge.accepted().max(used);
    let sandbox = sandbox.env("BUILDX_BUILDER", "default");
    sandbox.write("imgspec.kdl", &image("3"));
    assert_eq!(built(&build(&sandbox, &[]).success()), ["a"]);
    assert_eq!(bridge.accepted(), used, "the daemon builds itself");
    remove_images(&engine, &sandbox, &[]);
}

#[test]
fn a_builder_that_does_not_answer_is_told_within_seconds() {
    let sandbox = on(NOWHERE).env("IMGSPEC_ANSWER_TIMEOUT", "3s");
    let mut bridge = far(&sandbox);
    let manifest = format!(
        "image \"a\" {{ builder \"docker\"; base-image \"scratch\"; copy \"imgspec.kdl\" to=\"/f\"; registry \"{}\" }}\n",
        registry()
    );
    sandbox.write("imgspec.kdl", &manifest);
    let with = ["graph", "build", "--push", "--builder-instance", "far"];
    let silent = "`docker` cannot build here: buildx's builder `far` (remote) does not answer: ";
    bridge.silence();
    sandbox.run_soon(&with).code(2).says(silent);
    bridge.cut();
    sandbox
        .run_soon(&with)
        .code(2)
        .says(silent)
        .says("nothing there answers")
        .says("docker buildx inspect far");
}

/// One base, two images on it, and one on top of each.
const TREE: &str = r#"
defaults { registry "REGISTRY"; labels nonce="NONCE" }
image "os" { base-image "busybox:1.36"; commands "echo os > /log" }
image "a0" { base-image image="os"; commands "sleep 0.3; echo a0 >> /log" }
image "a1" { base-image image="os"; commands "echo a1 >> /log" }
image "b0" { base-image image="a0"; commands "echo b0 >> /log" }
image "b1" { base-image image="a1"; commands "sleep 0.3; echo b1 >> /log" }
"#;

#[test]
fn a_builder_that_is_cut_off_at_ten_random_moments_leaves_nothing_wrong() {
    let local = local();
    let sandbox = on(NOWHERE);
    let mut bridge = far(&sandbox);
    let with = ["--push", "--builder-instance", "far"];
    let mut dice = Dice::default();
    for round in 0..10 {
        let manifest = TREE.replace("REGISTRY", &format!("{}/cut", registry()));
        sandbox.write("imgspec.kdl", &manifest.replace("NONCE", &nonce()));
        let mut command = sandbox.command(&[&["graph", "build"], with.as_slice()].concat());
        let running = thread::spawn(move || Ran::of(&mut command));
        thread::sleep(Duration::from_millis(dice.below(4000)));
        bridge.cut();
        thread::sleep(Duration::from_millis(300));
        bridge.restore();
        // Whether it was done before, was tried again in time, or failed: the next run does what is left.
        running.join().unwrap();
        build(&sandbox, &with).success();
        // What the registry has by key, nobody builds.
        std::fs::remove_dir_all(sandbox.path(".imgspec")).unwrap();
        let again = build(&sandbox, &with).success();
        let done = [built(&again), named(&again, "image-pushed")].concat();
        assert!(done.is_empty(), "round {round}: {}", again.stderr);
        for at in 0..2 {
            let reference = &references(&sandbox, &[])[&format!("b{at}")];
            let said = docker(&local, &["run", "--rm", reference, "cat", "/log"]).success();
            let said: Vec<&str> = said.stdout.split_whitespace().collect();
            let expected = ["os".to_owned(), format!("a{at}"), format!("b{at}")];
            assert_eq!(said, expected, "round {round}");
            let _ = docker(&local, &["image", "rm", "--force", reference]);
        }
    }
}
