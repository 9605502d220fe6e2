//! `--claim` with a real registry: two machines that have nothing else in common build one graph together, by the embedded builder and by
//! Docker's `BuildKit`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::engine::engines;
use crate::sandbox::Sandbox;
use crate::waiting::wait_for;
use crate::{docker, nonce, on, references};

const IMAGES: [&str; 6] = ["a", "a-app", "b", "b-app", "base", "c"];

/// `LINES` are those of the image that everything is built on.
const MANIFEST: &str = r#"
defaults { builder "BUILDER"; registry "HOST/claims-NONCE"; labels nonce="NONCE" }
image "base" { base-image "BASE"; copy "f" to="/base"; LINES }
image "a" { base-image image="base"; copy "f" to="/a" }
image "b" { base-image image="base"; copy "f" to="/b" }
image "c" { base-image image="base"; copy "f" to="/c" }
image "a-app" { base-image image="a"; copy "f" to="/a-app" }
image "b-app" { base-image image="b"; copy "f" to="/b-app" }
"#;

const EVENTS: &str = "events.jsonl";

const WAITING: &str = "waiting for another runner that is building it";

fn registry() -> String {
    std::env::var("IMGSPEC_TEST_REGISTRY").expect("tests/run says where it is")
}

/// The registry behind a door: whoever pushes `base` waits until it is open. Claims take their time, so that a busy machine is
/// quick beside them.
struct Door {
    host: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_open: AtomicBool,
    /// Whether somebody waits.
    is_asked: AtomicBool,
}

impl Door {
    fn shut() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State::default());
        let door = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(registry()).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let door = Arc::clone(&door);
                thread::spawn(move || pass(client, server, |asked| hold(asked, &door)));
                thread::spawn(move || pass(back.0, back.1, |_| ()));
            }
        });
        Self { host, state }
    }

    fn is_asked(&self) -> bool {
        self.state.is_asked.load(Ordering::SeqCst)
    }

    fn open(&self) {
        self.state.is_open.store(true, Ordering::SeqCst);
    }
}

/// Passes on what comes, each piece after `hold`.
fn pass(mut from: TcpStream, mut to: TcpStream, hold: impl Fn(&[u8])) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        hold(&piece[..length]);
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Holds requests back. Each begins with a piece of its own, because its client waits for the answer to the one before.
fn hold(asked: &[u8], door: &State) {
    let line = String::from_utf8_lossy(asked);
    let line = line.lines().next().unwrap_or_default();
    if line.contains("/manifests/claim-") {
        thread::sleep(Duration::from_millis(100));
    } else if line.starts_with("PUT ") && line.contains("/base/manifests/") {
        door.is_asked.store(true, Ordering::SeqCst);
        while !door.is_open.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Two machines with this builder; Docker's has an engine of its own on each, where there are two.
fn machines(builder: &str, manifest: &str) -> [Sandbox; 2] {
    let engines: Vec<String> = engines().into_iter().map(|(_, engine)| engine).collect();
    [engines.first(), engines.last()].map(|engine| {
        let sandbox = match builder {
            "docker" => on(engine.unwrap()),
            _ => on("unix:///nowhere/docker.sock"),
        };
        sandbox.write("imgspec.kdl", &manifest.replace("BUILDER", builder));
        sandbox.write("f", "f\n");
        sandbox
    })
}

/// Starts a run; its events go into a file.
fn start(sandbox: &Sandbox) -> Child {
    let build = ["graph", "build", "--push", "--claim"];
    let more = ["--progress", "json", "--metadata-file", "metadata.json"];
    let events = File::create(sandbox.path(EVENTS)).unwrap();
    let mut command = sandbox.command(&[&build[..], &more].concat());
    let command = command.stdout(Stdio::null()).stderr(events);
    command.spawn().unwrap()
}

fn says(sandbox: &Sandbox, words: &str) -> bool {
    sandbox.read(EVENTS).contains(words)
}

#[track_caller]
fn ends_well(mut run: Child, sandbox: &Sandbox) {
    assert!(run.wait().unwrap().success(), "{}", sandbox.read(EVENTS));
}

fn events(sandbox: &Sandbox) -> Vec<Value> {
    let text = sandbox.read(EVENTS);
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines.collect()
}

/// How often each image was built, by all together.
fn builds(machines: &[Sandbox]) -> BTreeMap<String, usize> {
    let mut builds = BTreeMap::new();
    for event in machines.iter().flat_map(events) {
        if event["event"] == "image-built" {
            let image = event["image"].as_str().unwrap().to_owned();
            *builds.entry(image).or_default() += 1;
        }
    }
    builds
}

/// What a machine says that it has pushed or found, by image.
fn pushed(sandbox: &Sandbox) -> BTreeMap<String, String> {
    let metadata: BTreeMap<String, Value> =
        serde_json::from_str(&sandbox.read("metadata.json")).unwrap();
    let each = metadata.into_iter();
    each.map(|(image, of)| (image, of["pushed"].as_str().unwrap().to_owned()))
        .collect()
}

/// Everything is there for a machine that knows nothing, and the images are what they should be.
#[track_caller]
fn all_are_there(builder: &str, manifest: &str) {
    let [sandbox, _] = machines(builder, manifest);
    let plan = sandbox.run(&["graph", "plan", "--push"]).success();
    plan.says("0 to build, 6 fresh");
    let (_, engine) = engines().swap_remove(0);
    let reference = &references(&sandbox, &[])["a-app"];
    docker(&engine, &["pull", "-q", reference]).success();
    let made = docker(&engine, &["create", reference, "none"]).success();
    let container = made.stdout.trim();
    for file in ["/base", "/a", "/a-app"] {
        let from = format!("{container}:{file}");
        let to = sandbox.path("../copied").display().to_string();
        docker(&engine, &["cp", &from, &to]).success();
        assert_eq!(sandbox.read("../copied"), "f\n", "{file}");
    }
    docker(&engine, &["rm", container]).success();
    let _ = docker(&engine, &["image", "rm", "--force", reference]);
}

/// Removes what the machines built in their engines.
fn clean(builder: &str, machines: &[Sandbox]) {
    if builder != "docker" {
        return;
    }
    for sandbox in machines {
        let references = references(sandbox, &[]);
        let names: Vec<&str> = references.values().map(String::as_str).collect();
        for (_, engine) in engines() {
            let _ = docker(
                &engine,
                &[&["image", "rm", "--force"], names.as_slice()].concat(),
            );
        }
    }
}

fn two_machines_build_each_image_once(builder: &str) {
    let door = Door::shut();
    let manifest = MANIFEST
        .replace("HOST", &door.host)
        .replace("NONCE", &nonce())
        .replace("BASE", "scratch")
        .replace("; LINES", "");
    let machines = machines(builder, &manifest);
    let [first, second] = &machines;
    let leading = start(first);
    // It has the claim for as long as it pushes.
    wait_for(|| door.is_asked(), "the first one pushes");
    let waiting = start(second);
    wait_for(|| says(second, WAITING), "the second one waits");
    door.open();
    ends_well(leading, first);
    ends_well(waiting, second);
    let once = IMAGES.map(|image| (image.to_owned(), 1));
    assert_eq!(builds(&machines), once.into(), "{builder}");
    for sandbox in &machines {
        let events = events(sandbox);
        let last = events.last().unwrap();
        assert_eq!(last["event"], "run-finished");
        let number = |name: &str| last[name].as_u64().unwrap();
        assert_eq!(number("built") + number("fresh"), 6, "{builder}: {last}");
        assert_eq!(number("built"), number("pushed"), "{builder}: {last}");
        assert!(!says(sandbox, "\"warning\""), "{}", sandbox.read(EVENTS));
    }
    // The one that waited says which image it was, and takes what the other one has pushed.
    let events = events(second);
    let waited = events.iter().filter(|event| event["name"] == WAITING);
    let waited: Vec<&Value> = waited.map(|event| &event["image"]).collect();
    assert!(
        waited.contains(&&Value::from("base")),
        "{builder}: {waited:?}"
    );
    assert_eq!(pushed(first), pushed(second), "{builder}");
    assert_eq!(pushed(first).len(), 6);
    all_are_there(builder, &manifest);
    clean(builder, &machines);
}

#[test]
fn two_machines_build_each_image_once_with_the_embedded_builder() {
    two_machines_build_each_image_once("oci");
}

#[test]
fn two_machines_build_each_image_once_with_docker() {
    two_machines_build_each_image_once("docker");
}

fn what_a_killed_machine_claimed_is_taken_over(builder: &str) {
    let nonce = nonce();
    let host = registry();
    let manifest = MANIFEST
        .replace("HOST", &host)
        .replace("NONCE", &nonce)
        .replace("BASE", &format!("{host}/busybox:1.36"))
        .replace(
            "LINES",
            &format!("commands \"echo begun-{nonce}; sleep 3\""),
        );
    let [first, second] = machines(builder, &manifest);
    let first = first.env("IMGSPEC_CLAIM_TIMEOUT", "1s");
    let machines = [first, second];
    let [first, second] = &machines;
    let mut killed = start(first);
    let log = first.path(".imgspec/logs/base.log");
    let begins = format!("begun-{nonce}\n");
    let is_begun = || std::fs::read_to_string(&log).is_ok_and(|log| log.contains(&begins));
    wait_for(is_begun, "the command runs");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(builds(&machines[..1]), BTreeMap::new(), "{builder}");
    ends_well(start(second), second);
    let told: Vec<Value> = events(second);
    let told = told.iter().filter(|event| event["image"] == "base");
    let told: Vec<&str> = told.filter_map(|event| event["name"].as_str()).collect();
    assert!(told.contains(&WAITING), "{builder}: {told:?}");
    let over = "taking it over from another runner, which gave no sign for 1 s";
    assert!(told.contains(&over), "{builder}: {told:?}");
    let once = IMAGES.map(|image| (image.to_owned(), 1));
    assert_eq!(builds(&machines[1..]), once.into(), "{builder}");
    all_are_there(builder, &manifest);
    clean(builder, &machines);
}

#[test]
fn what_a_killed_machine_claimed_is_taken_over_with_the_embedded_builder() {
    what_a_killed_machine_claimed_is_taken_over("oci");
}

#[test]
fn what_a_killed_machine_claimed_is_taken_over_with_docker() {
    what_a_killed_machine_claimed_is_taken_over("docker");
}
