//! What one machine has built and pushed, another knows, pulls and does not build: two copies of a workspace with homes of their own, and
//! nothing in common but a registry.

use crate::registry::{Fault, Registry};
use crate::sandbox::Sandbox;

const MANIFEST: &str = r#"
defaults { builder "oci"; registry "REGISTRY/team" }
image "tools" { base-image "scratch"; copy "bin" to="/bin" }
image "app" { base-image image="tools"; copy "data.txt" to="/data.txt"; env MODE="fast" }
"#;

pub(crate) const RECORD: &str = "application/vnd.imgspec.record.v1+json";

pub(crate) const PUSH: &[&str] = &["graph", "build", "--push", "--progress", "plain"];

/// A machine with a copy of the workspace.
pub(crate) fn machine(registry: &Registry) -> Sandbox {
    let manifest = MANIFEST.replace("REGISTRY", &registry.host);
    Sandbox::with(&[
        ("imgspec.kdl", &manifest),
        ("bin/run", "#!/bin/sh\n"),
        ("data.txt", "data\n"),
    ])
}

/// A registry to which a machine has pushed everything, with the list of what refers to images or without.
pub(crate) fn pushed(lists: bool) -> Registry {
    let registry = Registry::new();
    if lists {
        registry.lists();
    }
    let first = machine(&registry).env("IMGSPEC_BUILT_BY", "run 7 of ci");
    first.run(PUSH).success();
    registry.is_whole();
    registry.asked();
    registry
}

fn tag(machine: &Sandbox, image: &str) -> String {
    let tag = machine.run(&["tag", image]).success().stdout;
    tag.trim().rsplit_once(':').unwrap().1.to_owned()
}

/// The images of a result of `pull`, each with its state.
fn states(machine: &Sandbox, more: &[&str]) -> Vec<(String, String)> {
    let ran = machine.run(&[&["pull", "--format", "json"], more].concat());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let images = ran.json();
    let images = images.as_array().unwrap().iter();
    images
        .map(|one| (text(&one["image"]), text(&one["state"])))
        .collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let each = all.iter();
    each.map(|(image, state)| ((*image).to_owned(), (*state).to_owned()))
        .collect()
}

#[test]
fn nothing_to_do_takes_one_question_an_image_and_no_record() {
    let registry = pushed(true);
    let second = machine(&registry);
    let ran = second.run(PUSH).success();
    assert!(ran.stderr.contains("2 images fresh"), "{}", ran.stderr);
    let mut asked = registry.asked();
    asked.sort();
    let question = |image: &str| format!("GET /v2/team/{image}/manifests/{}", tag(&second, image));
    assert_eq!(asked, [question("app"), question("tools")]);
}

/// It used to be asked again for more than a second, with a warning at the end.
#[test]
fn a_registry_of_this_machine_where_nothing_listens_knows_of_no_builds() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let manifest = MANIFEST.replace("REGISTRY", &host);
    let sandbox = Sandbox::with(&[
        ("imgspec.kdl", &manifest),
        ("bin/run", "#!/bin/sh\n"),
        ("data.txt", "data\n"),
    ]);
    let ran = sandbox.run(&["explain", "app"]).success();
    assert_eq!(ran.stderr, "");
    // Whether an image is there is another question.
    let plan = sandbox.run(&["graph", "plan", "--push"]).success();
    assert!(
        plan.stderr.contains("could not determine"),
        "{}",
        plan.stderr
    );
}

#[test]
fn another_machine_names_the_input_that_changed_and_knows_the_time_it_took() {
    for lists in [true, false] {
        let registry = pushed(lists);
        let second = machine(&registry);
        second.write("data.txt", "other\n");
        let plan = second.run(&["graph", "plan", "--push"]).success().stdout;
        assert!(plan.contains("tools  fresh"), "{plan}");
        assert!(
            plan.contains("copy[0]:data.txt changed: 0644 blake3:"),
            "{plan}"
        );
        assert!(
            plan.contains("(took ") && plan.contains("at least "),
            "{plan}"
        );
        let records: Vec<String> = registry.asked();
        let records = records
            .iter()
            .filter(|asked| asked.contains("imgspec-record-"));
        assert_eq!(records.count(), 1, "only the image that is built");
        let explained = second.run(&["explain", "app"]).success();
        explained.says("copy[0]:data.txt changed").says(&format!(
            " by run 7 of ci, as registry `{}` knows",
            registry.host
        ));
        let json = second
            .run(&["explain", "app", "--format", "json"])
            .success()
            .json();
        assert_eq!(json["built"]["registry"], registry.host.as_str(), "{json}");
        assert_eq!(json["changes"][0]["name"], "copy[0]:data.txt", "{json}");
        // Looking wrote nothing.
        assert!(!second.path(".imgspec/state/app.json").exists());
        second
            .run(PUSH)
            .success()
            .says("copy[0]:data.txt changed")
            .says("app: pushed");
    }
}

#[test]
fn records_refer_to_their_images_and_tell_no_path_and_no_secret() {
    for lists in [true, false] {
        let registry = pushed(lists);
        let second = machine(&registry);
        let record = registry.manifest("team/app", "imgspec-record-app");
        let image = registry.manifest("team/app", &tag(&second, "app"));
        let digest = crate::registry::digest(image.to_string().as_bytes());
        assert_eq!(record["artifactType"], RECORD);
        assert_eq!(record["subject"]["digest"], digest.as_str());
        assert_eq!(record["annotations"]["dev.imgspec.image"], "app");
        let list = format!("sha256-{}", &digest["sha256:".len()..]);
        assert_eq!(registry.tags("team/app").contains(&list), !lists);
        if !lists {
            let index = registry.manifest("team/app", &list);
            assert_eq!(index["manifests"][0]["artifactType"], RECORD);
        }
        let root = second.root();
        for layer in record["layers"].as_array().unwrap() {
            let text = registry.blob("team/app", layer["digest"].as_str().unwrap());
            let text = String::from_utf8(text).unwrap();
            for never in [
                "/home",
                root.parent().unwrap().parent().unwrap().to_str().unwrap(),
            ] {
                assert!(!text.contains(never), "`{never}` is in\n{text}");
            }
        }
    }
}

#[test]
fn pull_brings_what_is_there_and_a_build_then_does_nothing() {
    for lists in [true, false] {
        let registry = pushed(lists);
        let second = machine(&registry);
        let all = pairs(&[("tools", "pulled"), ("app", "pulled")]);
        assert_eq!(states(&second, &[]), all);
        let ran = second.run(&["graph", "build"]).success();
        assert!(ran.stderr.contains("2 images fresh"), "{}", ran.stderr);
        let explained = second.run(&["explain", "app"]).success();
        explained
            .says("nothing differs from the last build")
            .says("by run 7 of ci");
        let again = pairs(&[("tools", "present"), ("app", "present")]);
        assert_eq!(states(&second, &[]), again);
        // Not only names: the layers are here too.
        registry.faults(|_, _| Some(Fault::HangUp));
        second
            .run(&["graph", "build", "--output", "oci:out"])
            .success();
        crate::layout::is_layout(&second.path("out"));
    }
}

/// It used to be final.
#[test]
fn a_pull_that_fails_for_a_moment_is_tried_again() {
    let registry = pushed(true);
    let second = machine(&registry);
    let manifest = registry.manifest("team/tools", &tag(&second, "tools"));
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().to_owned();
    // As often as one attempt asks.
    let left = std::sync::atomic::AtomicU32::new(3);
    registry.faults(move |method, path| {
        use std::sync::atomic::Ordering::SeqCst;
        let is_it = method == "GET" && path.contains(&layer);
        let fails = || left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        (is_it && fails().is_ok()).then(|| Fault::Status(503, String::new()))
    });
    let ran = second.run(&["pull"]).success();
    assert_eq!(
        ran.stdout.lines().last(),
        Some("2 images pulled, 0 already here, 0 not")
    );
    assert_eq!(
        ran.stderr.matches("attempt 2 of 3 in 1.0s: ").count(),
        1,
        "{}",
        ran.stderr
    );
}

#[test]
fn pull_says_what_is_not_there_and_keeps_the_record_of_it() {
    let registry = pushed(true);
    let second = machine(&registry);
    second.write("data.txt", "other\n");
    let ran = second.run(&["pull"]).success();
    assert_eq!(
        ran.stdout,
        "app: not in its registry as it is now; `graph build` builds it\n1 image pulled, 0 already here, 1 not\n"
    );
    assert!(ran.stderr.contains("tools: pulled in "), "{}", ran.stderr);
    // Now nobody has to be asked.
    registry.faults(|_, _| Some(Fault::HangUp));
    let plan = second.run(&["graph", "plan"]).success().stdout;
    assert!(plan.contains("tools  fresh"), "{plan}");
    assert!(plan.contains("copy[0]:data.txt changed"), "{plan}");
    assert!(plan.contains("(took "), "{plan}");
}

#[test]
fn the_record_of_the_very_image_is_found_when_a_newer_one_has_the_tag() {
    for lists in [true, false] {
        let registry = pushed(lists);
        let third = machine(&registry).env("IMGSPEC_BUILT_BY", "somebody else");
        third.write("data.txt", "newer\n");
        third.run(PUSH).success();
        let second = machine(&registry);
        let all = pairs(&[("tools", "pulled"), ("app", "pulled")]);
        assert_eq!(states(&second, &[]), all);
        let explained = second.run(&["explain", "app"]).success();
        explained.says("nothing differs").says("by run 7 of ci");
    }
}

#[test]
fn no_record_is_written_or_read_if_that_is_switched_off() {
    let registry = Registry::new();
    let first = machine(&registry).env("IMGSPEC_REMOTE_RECORDS", "0");
    first.run(PUSH).success();
    let is_record = |asked: &String| asked.contains("imgspec-record-") || asked.contains("sha256-");
    assert!(!registry.asked().iter().any(is_record));
    let second = machine(&registry).env("IMGSPEC_REMOTE_RECORDS", "0");
    second.write("data.txt", "other\n");
    let plan = second.run(&["graph", "plan", "--push"]).success().stdout;
    assert!(plan.contains("app    build  never built"), "{plan}");
    second
        .run(&["explain", "app"])
        .success()
        .says("never built");
    assert!(!registry.asked().iter().any(is_record));
}

#[test]
fn a_base_that_did_not_come_whole_is_fetched_by_the_next_run() {
    let registry = pushed(true);
    let second = machine(&registry);
    second.write("data.txt", "other\n");
    let is_config = |path: &str| path.starts_with("/v2/team/tools/blobs/");
    registry.faults(move |_, path| {
        is_config(path).then(|| Fault::Status(503, "Retry-After: 0\r\n".to_owned()))
    });
    let build = &[PUSH, &["--attempts", "1"]].concat();
    second.run(build).code(1).says("503");
    registry.behaves();
    // The manifest is here; the rest has to come all the same.
    second.run(build).success();
    registry.is_whole();
}
