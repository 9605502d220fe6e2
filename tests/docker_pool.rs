//! `--buildkit`: `BuildKit`s at TCP addresses, alone and as a pool. Private daemons are made into such by a bridge; they share
//! nothing but a registry.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

#[path = "docker_pool/bad.rs"]
mod bad;
#[path = "engine/bridge.rs"]
mod bridge;
#[path = "docker_pool/certificates.rs"]
mod certificates;
#[path = "it/dice.rs"]
#[allow(dead_code, reason = "the dice serve several test programs")]
mod dice;
#[path = "docker_pool/full.rs"]
mod full;
#[path = "docker_pool/kills.rs"]
mod kills;
#[path = "engine/monorepo.rs"]
mod monorepo;
#[path = "docker_pool/platforms.rs"]
mod platforms;
#[path = "it/sandbox.rs"]
#[allow(dead_code, reason = "the sandbox serves several test programs")]
mod sandbox;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bridge::Bridge;
use certificates::{Authority, Time};
use monorepo::anew;
use sandbox::{Ran, Sandbox};

/// Two daemons with containerd's store; the same one twice if there is only one.
fn daemons() -> [String; 2] {
    let first = std::env::var("IMGSPEC_TEST_DOCKER_CONTAINERD");
    let first = first.expect("a Docker with containerd's store, by tests/run");
    let second = std::env::var("IMGSPEC_TEST_DOCKER_SECOND");
    [first.clone(), second.unwrap_or(first)]
}

/// A repository that no other test has.
fn repository() -> String {
    let registry = std::env::var("IMGSPEC_TEST_REGISTRY").expect("a registry, by tests/run");
    format!("{registry}/pool-{}", nonce())
}

/// A word that no other test and no earlier run uses.
fn nonce() -> String {
    let time = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    format!("{:x}-{time:x}", std::process::id())
}

/// A workspace with this manifest, in which `REGISTRY` and `NONCE` are replaced.
fn workspace(manifest: &str, repository: &str) -> Sandbox {
    let manifest = manifest
        .replace("REGISTRY", repository)
        .replace("NONCE", &nonce());
    Sandbox::with(&[("imgspec.kdl", &manifest), ("f", "1\n"), ("g", "1\n")])
}

/// `graph build --push` with JSON events, by the `BuildKit`s at these addresses.
#[track_caller]
fn build(sandbox: &Sandbox, addresses: &[String], more: &[&str]) -> Ran {
    let mut words = vec!["graph", "build", "--push", "--progress", "json"];
    for address in addresses {
        words.extend(["--buildkit", address.as_str()]);
    }
    words.extend(more);
    sandbox.run(&words)
}

/// The images that a build from an empty directory would build: what the registry does not have.
#[track_caller]
fn missing(sandbox: &Sandbox, addresses: &[String], more: &[&str]) -> Vec<String> {
    let state = sandbox.path(".imgspec");
    if state.exists() {
        std::fs::remove_dir_all(state).expect("the state directory");
    }
    let mut words = vec!["graph", "plan", "--push", "--format", "json"];
    for address in addresses {
        words.extend(["--buildkit", address.as_str()]);
    }
    words.extend(more);
    let plan = sandbox.run(&words).success().json();
    let images = plan["images"].as_array().expect("images").iter();
    let images = images.filter(|image| image["action"] != "fresh");
    images
        .map(|image| image["image"].as_str().expect("an id").to_owned())
        .collect()
}

/// The events of a kind.
fn events(ran: &Ran, kind: &str) -> Vec<serde_json::Value> {
    let lines = ran.stderr.lines();
    let all = lines.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    all.filter(|event| event["event"] == kind).collect()
}

/// The images of all events of a kind, sorted.
fn named(ran: &Ran, kind: &str) -> Vec<String> {
    let events = events(ran, kind);
    let names = events.iter().map(|event| event["image"].as_str());
    let mut names: Vec<String> = names.map(|name| name.expect("an id").to_owned()).collect();
    names.sort();
    names
}

fn docker(engine: &str, arguments: &[&str]) -> Ran {
    let mut docker = Command::new("docker");
    Ran::of(docker.args(arguments).env("DOCKER_HOST", engine))
}

/// References by image, from `tag`.
fn references(sandbox: &Sandbox, more: &[&str]) -> BTreeMap<String, String> {
    let tags = sandbox.run(&[&["tag", "--format", "json"], more].concat());
    let tags = tags.success().json();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let pair = |tag: &serde_json::Value| (text(&tag["image"]), text(&tag["reference"]));
    tags.as_array().expect("tags").iter().map(pair).collect()
}

const CHAIN: &str = r#"
defaults { registry "REGISTRY"; labels nonce="NONCE" }
image "os" { base-image "busybox:1.36"; commands "echo NONCE > /os" }
image "lib" { base-image "scratch"; copy "g" to="/g" }
image "app" { base-image image="os"; copy "f" to="/f"; copy image="lib" "/g" to="/g"; secret "token" env="TOKEN"; commands "test -s /run/secrets/token" }
"#;

#[test]
fn one_buildkit_over_mutual_tls_builds_pushes_and_has_nothing_to_do_the_second_time() {
    let [daemon, _] = daemons();
    let repository = repository();
    let sandbox = workspace(CHAIN, &repository).env("TOKEN", "canary-of-the-pool");
    let sandbox = sandbox.without("canary-of-the-pool");
    let certificates = sandbox.path("../certificates");
    let authority = Authority::new(&certificates, "pool");
    let server = authority.sign("127.0.0.1", Time::Now);
    let (cert, key) = authority
        .sign("client", Time::Now)
        .write(&certificates, "client");
    let bridge = Bridge::with_tls(&daemon, authority.server(&server, true));
    let node = [bridge.address()];
    let ca = authority.file();
    let tls = [
        "--buildkit-ca",
        &ca,
        "--buildkit-cert",
        &cert,
        "--buildkit-key",
        &key,
    ];
    let cold = build(&sandbox, &node, &tls).success();
    assert_eq!(named(&cold, "image-built"), ["app", "lib", "os"]);
    // There is only one node, so nobody wants to know which one it is.
    assert_eq!(named(&cold, "image-placed"), Vec::<String>::new());
    assert!(missing(&sandbox, &node, &tls).is_empty());
    assert_eq!(
        named(&build(&sandbox, &node, &tls).success(), "image-built"),
        Vec::<String>::new()
    );
    // An edit.
    sandbox.write("f", "2\n");
    assert_eq!(
        named(&build(&sandbox, &node, &tls).success(), "image-built"),
        ["app"]
    );
    let app = &references(&sandbox, &[])["app"];
    let said = docker(&daemon, &["run", "--rm", app, "cat", "/f", "/g"]).success();
    assert_eq!(said.stdout, "2\n1\n");
    let _ = docker(&daemon, &["image", "rm", "--force", app]);
    // The same by variables, and `doctor`.
    let sandbox = sandbox
        .env("IMGSPEC_BUILDKIT", &node[0])
        .env("IMGSPEC_BUILDKIT_CA", &ca)
        .env("IMGSPEC_BUILDKIT_CERT", &cert)
        .env("IMGSPEC_BUILDKIT_KEY", &key);
    let said = sandbox.run(&["doctor"]);
    let line = format!("BuildKit at {}: it builds for linux/", node[0]);
    assert!(
        said.stdout.contains(&line),
        "{}{}",
        said.stdout,
        said.stderr
    );
    sandbox.run(&["graph", "build", "--push"]).success();
}

#[test]
fn without_a_push_or_with_a_classic_store_it_says_what_to_do() {
    let sandbox = workspace(CHAIN, &repository()).env("TOKEN", "x-token");
    let node = [Bridge::new(&daemons()[0])];
    let address = node[0].address();
    sandbox
        .run(&["graph", "build", "--buildkit", &address])
        .code(2)
        .says("add `--push`");
    let Ok(classic) = std::env::var("IMGSPEC_TEST_DOCKER_CLASSIC") else {
        return;
    };
    let bridge = Bridge::new(&classic);
    let ran = build(&sandbox, &[bridge.address()], &["lib"]).code(1);
    let failed = events(&ran, "image-failed");
    let error = failed[0]["error"].as_str().expect("text");
    assert!(
        error.contains("because it belongs to a Docker daemon with the classic image store"),
        "{error}"
    );
    assert!(error.contains(&bridge.address()), "{error}");
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_folder(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a copy");
        }
    }
}

#[test]
fn the_example_monorepo_builds_over_two_nodes_that_share_only_a_registry() {
    let daemons = daemons();
    let nodes = daemons.each_ref().map(|daemon| Bridge::new(daemon));
    let nodes = nodes.each_ref().map(Bridge::address);
    let sandbox = Sandbox::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monorepo");
    copy_folder(&example, &sandbox.root());
    let manifest = sandbox.read("imgspec.kdl");
    sandbox.write("imgspec.kdl", &anew(&manifest, &nonce()));
    let registry = format!("registry={}", repository());
    let var = ["--var", registry.as_str()];
    let plan = [
        "graph",
        "plan",
        "--push",
        "--buildkit",
        &nodes[0],
        "--buildkit",
        &nodes[1],
    ];
    let plan = sandbox.run(&[&plan[..], &var[..]].concat()).success();
    for node in &nodes {
        assert!(
            plan.stdout.contains(&format!("  on {node}\n")),
            "{node}: {}",
            plan.stdout
        );
    }
    let cold = build(&sandbox, &nodes, &var).success();
    let images = named(&cold, "image-built");
    assert!(images.len() >= 12, "{images:?}");
    let placed = events(&cold, "image-placed");
    for node in &nodes {
        let is_there = placed.iter().any(|event| event["node"] == node.as_str());
        assert!(is_there, "{node} built nothing: {placed:?}");
    }
    assert_eq!(missing(&sandbox, &nodes, &var), Vec::<String>::new());
    assert!(named(&build(&sandbox, &nodes, &var).success(), "image-built").is_empty());

    let file = "models/trainer/__main__.py";
    sandbox.write(file, &format!("{}\n# edited\n", sandbox.read(file)));
    let mut expected = missing(&sandbox, &nodes, &var);
    expected.sort();
    assert!(expected.contains(&"trainer".to_owned()) && !expected.contains(&"dataset".to_owned()));
    assert_eq!(
        named(&build(&sandbox, &nodes, &var).success(), "image-built"),
        expected
    );
    assert_eq!(missing(&sandbox, &nodes, &var), Vec::<String>::new());

    let scorer = &references(&sandbox, &var)["batch-scorer"];
    let said = docker(&daemons[0], &["run", "--rm", scorer]).success();
    assert!(!said.stdout.is_empty());
    let _ = docker(&daemons[0], &["image", "rm", "--force", scorer]);
}
