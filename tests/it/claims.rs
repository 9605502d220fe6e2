//! Several runners that share nothing but a registry: each image is built by one of them, and none waits for the dead.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::registry::{Fault, Registry};
use crate::sandbox::Sandbox;

const CLAIM: &[&str] = &["graph", "build", "--push", "--claim", "--progress", "json"];

const IMAGES: [&str; 7] = ["base", "a", "b", "c", "a-app", "b-app", "c-app"];

/// A runner of its own: workspace, state and cache.
fn runner(registry: &Registry) -> Sandbox {
    let image = |id: &str, base: &str| {
        format!(
            "image \"{id}\" {{ name \"team/{id}\"; base-image {base}; copy \"{id}.txt\" to=\"/{id}\"; }}\n"
        )
    };
    let mut manifest = format!(
        "defaults {{ builder \"oci\"; registry \"{}\"; }}\n",
        registry.host
    );
    manifest += &image("base", "\"scratch\"");
    for id in ["a", "b", "c"] {
        manifest += &image(id, "image=\"base\"");
        manifest += &image(&format!("{id}-app"), &format!("image=\"{id}\""));
    }
    let sandbox = Sandbox::with(&[("imgspec.kdl", &manifest)]);
    for id in IMAGES {
        sandbox.write(&format!("{id}.txt"), &format!("the file of {id}\n"));
    }
    sandbox
}

/// Starts a run; its events go into a file.
fn start(sandbox: &Sandbox, more: &[&str]) -> Child {
    let events = std::fs::File::create(sandbox.path("events.jsonl")).unwrap();
    let mut command = sandbox.command(&[CLAIM, more].concat());
    command
        .stdout(Stdio::null())
        .stderr(events)
        .spawn()
        .unwrap()
}

fn events(sandbox: &Sandbox) -> Vec<Value> {
    let text = sandbox.read("events.jsonl");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// How often each image was built.
fn builds(sandboxes: &[Sandbox]) -> BTreeMap<String, usize> {
    let mut builds = BTreeMap::new();
    for event in sandboxes.iter().flat_map(events) {
        if event["event"] == "image-built" {
            let image = event["image"].as_str().unwrap().to_owned();
            *builds.entry(image).or_default() += 1;
        }
    }
    builds
}

fn once() -> BTreeMap<String, usize> {
    IMAGES.iter().map(|id| ((*id).to_owned(), 1)).collect()
}

/// The texts of all events that have one.
fn said(sandbox: &Sandbox) -> Vec<String> {
    let events = events(sandbox);
    let texts = events.iter().flat_map(|event| {
        let image = event["image"].as_str().unwrap_or_default().to_owned();
        let texts = ["name", "message", "error"].map(|field| event[field].as_str());
        let texts = texts.into_iter().flatten();
        texts
            .map(|text| format!("{image}: {text}"))
            .collect::<Vec<_>>()
    });
    texts.collect()
}

/// Every image is in the registry, whole, with its key: a machine that knows nothing builds nothing.
#[track_caller]
fn all_are_there(registry: &Registry) {
    registry.is_whole();
    let plan = runner(registry)
        .run(&["graph", "plan", "--push"])
        .success()
        .stdout;
    assert!(plan.contains("0 to build, 7 fresh"), "{plan}");
}

/// Claims take their time, so that processes of a busy machine are quick beside them.
fn slow_claims(registry: &Registry) {
    registry.faults(|_, path| {
        path.contains("/manifests/claim-")
            .then_some(Fault::Late(Duration::from_millis(100)))
    });
}

#[test]
fn four_runners_build_each_image_once() {
    let registry = Registry::new();
    slow_claims(&registry);
    let runners: Vec<Sandbox> = (0..4).map(|_| runner(&registry)).collect();
    let mut children: Vec<Child> = runners.iter().map(|it| start(it, &[])).collect();
    for (child, sandbox) in children.iter_mut().zip(&runners) {
        assert!(child.wait().unwrap().success(), "{:?}", said(sandbox));
    }
    assert_eq!(builds(&runners), once());
    for sandbox in &runners {
        let events = events(sandbox);
        let last = events.last().unwrap();
        let (built, fresh) = (&last["built"], &last["fresh"]);
        let all = built.as_u64().unwrap() + fresh.as_u64().unwrap();
        assert_eq!(all, 7, "{last}");
        let digests = sandbox.run(&["graph", "plan", "--push"]).success().stdout;
        assert!(digests.contains("0 to build, 7 fresh"), "{digests}");
    }
    all_are_there(&registry);
    // Nothing is left of the claims.
    for id in IMAGES {
        let tags = registry.tags(&format!("team/{id}"));
        let mut tags = tags.iter();
        assert!(!tags.any(|tag| tag.starts_with("claim-")), "{id}: {tags:?}");
    }
}

#[test]
fn what_a_killed_runner_claimed_is_taken_over() {
    let registry = Registry::new();
    slow_claims(&registry);
    let dead = runner(&registry).env("IMGSPEC_CLAIM_TIMEOUT", "1s");
    let mut killed = start(&dead, &[]);
    registry.until("PUT /v2/team/base/manifests/claim-");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let runners: Vec<Sandbox> = (0..3).map(|_| runner(&registry)).collect();
    let mut children: Vec<Child> = runners.iter().map(|it| start(it, &[])).collect();
    for (child, sandbox) in children.iter_mut().zip(&runners) {
        assert!(child.wait().unwrap().success(), "{:?}", said(sandbox));
    }
    assert_eq!(builds(&runners), once());
    all_are_there(&registry);
    let all: Vec<String> = runners.iter().flat_map(said).collect();
    let waiting = "base: waiting for another runner that is building it".to_owned();
    assert!(all.contains(&waiting), "{all:?}");
    let over = "base: taking it over from another runner, which gave no sign for 1 s".to_owned();
    assert!(all.contains(&over), "{all:?}");
}

#[test]
fn an_image_that_is_waited_for_keeps_no_worker() {
    let registry = Registry::new();
    slow_claims(&registry);
    let manifest = format!(
        "defaults {{ builder \"oci\"; registry \"{}\"; base-image \"scratch\"; }}\n\
         image \"x\" {{ name \"team/x\"; copy \"f\" to=\"/x\"; }}\n\
         image \"y\" {{ name \"team/y\"; copy \"f\" to=\"/y\"; }}\n",
        registry.host
    );
    let files = [("imgspec.kdl", manifest.as_str()), ("f", "f\n")];
    let dead = Sandbox::with(&files);
    let mut killed = start(&dead, &["x"]);
    registry.until("PUT /v2/team/x/manifests/claim-");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let waiting = Sandbox::with(&files);
    let mut child = start(&waiting, &["--jobs", "1"]);
    // The claim on `x` lasts for half a minute; `y` is built and pushed meanwhile.
    registry.until("DELETE /v2/team/y/manifests/");
    registry.forget("team/x", "claim-");
    assert!(child.wait().unwrap().success(), "{:?}", said(&waiting));
    let pushed: Vec<Value> = events(&waiting)
        .into_iter()
        .filter(|event| event["event"] == "image-pushed")
        .map(|event| event["image"].clone())
        .collect();
    assert_eq!(pushed, ["y", "x"]);
}

#[test]
fn a_registry_that_refuses_claims_is_told_once_and_everything_is_built() {
    for status in [403, 405] {
        let registry = Registry::new();
        registry.faults(move |method, path| {
            let is_claim = method == "PUT" && path.contains("/manifests/claim-");
            is_claim.then(|| Fault::Status(status, String::new()))
        });
        let runner = runner(&registry);
        let mut child = start(&runner, &[]);
        assert!(child.wait().unwrap().success(), "{:?}", said(&runner));
        let warnings = said(&runner);
        let warnings: Vec<&String> = warnings
            .iter()
            .filter(|text| text.contains("claim"))
            .collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let words = "images cannot be claimed, so other runners may build the same ones";
        assert!(warnings[0].contains(words), "{warnings:?}");
        assert!(warnings[0].contains(&registry.host), "{warnings:?}");
        registry.behaves();
        assert_eq!(builds(&[runner]), once());
        all_are_there(&registry);
    }
}

#[test]
fn where_nothing_can_be_deleted_claims_are_marked_as_released() {
    let registry = Registry::new();
    registry.faults(|method, _| (method == "DELETE").then(|| Fault::Status(405, String::new())));
    let first = runner(&registry);
    let mut child = start(&first, &["base"]);
    assert!(child.wait().unwrap().success(), "{:?}", said(&first));
    let tags = registry.tags("team/base");
    let claim = tags.iter().find(|tag| tag.starts_with("claim-")).unwrap();
    let manifest = registry.manifest("team/base", claim);
    assert_eq!(manifest["annotations"]["dev.imgspec.claim.seconds"], "0");
    // Nobody waits for it, even if the image is gone.
    for tag in tags.iter().filter(|tag| *tag != claim) {
        registry.forget("team/base", tag);
    }
    let second = runner(&registry);
    let mut child = start(&second, &[]);
    assert!(child.wait().unwrap().success(), "{:?}", said(&second));
    assert_eq!(builds(&[second]), once());
}

#[test]
fn a_claim_names_nobody() {
    let registry = Registry::new();
    slow_claims(&registry);
    let runner = runner(&registry);
    let mut killed = start(&runner, &["base"]);
    registry.until("PUT /v2/team/base/manifests/claim-");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let tags = registry.tags("team/base");
    let claim = tags.iter().find(|tag| tag.starts_with("claim-")).unwrap();
    let manifest = registry.manifest("team/base", claim);
    assert_eq!(manifest["artifactType"], "application/vnd.imgspec.claim.v1");
    let annotations = manifest["annotations"].as_object().unwrap();
    let names: Vec<&str> = annotations.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "dev.imgspec.claim.beat",
            "dev.imgspec.claim.of",
            "dev.imgspec.claim.owner",
            "dev.imgspec.claim.seconds",
            "org.opencontainers.image.created"
        ]
    );
    let owner = annotations["dev.imgspec.claim.owner"].as_str().unwrap();
    assert!(owner.len() == 32 && owner.bytes().all(|it| it.is_ascii_hexdigit()));
    assert_eq!(annotations["dev.imgspec.claim.seconds"], "30");
}

#[test]
fn a_tag_that_is_no_claim_is_not_overwritten() {
    let registry = Registry::new();
    slow_claims(&registry);
    let first = runner(&registry);
    let mut killed = start(&first, &["base"]);
    registry.until("PUT /v2/team/base/manifests/claim-");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let tags = registry.tags("team/base");
    let claim = tags.iter().find(|tag| tag.starts_with("claim-")).unwrap();
    registry.name("team/base", claim, r#"{"schemaVersion":2,"layers":[]}"#);
    let second = runner(&registry);
    let mut child = start(&second, &["base"]);
    assert!(child.wait().unwrap().success(), "{:?}", said(&second));
    let all = said(&second);
    let words = format!(
        "`{}/team/base:{claim}` is not a claim of imgspec's",
        registry.host
    );
    assert!(all.iter().any(|text| text.contains(&words)), "{all:?}");
    let manifest = registry.manifest("team/base", claim);
    assert!(manifest.get("artifactType").is_none(), "{manifest}");
}

#[test]
fn flags_that_exclude_each_other_are_refused() {
    let registry = Registry::new();
    let runner = runner(&registry);
    let both = ["graph", "build", "--push=all-or-nothing", "--claim"];
    let ran = runner.run(&both).code(2);
    ran.says("`--push=all-or-nothing` holds back")
        .says("use `--push`");
    runner
        .run(&["graph", "build", "--claim"])
        .code(2)
        .says("--push");
    assert_eq!(registry.asked(), [""; 0]);
}
