//! Registries that take no records, or send some that are none; and images that cannot be pulled: told, and never taken for what they
//! are not.

use crate::memory::{PUSH, RECORD, machine, pushed};
use crate::registry::{Fault, Registry};

#[test]
fn images_that_cannot_be_pulled_are_told_each_with_its_reason() {
    let registry = pushed(true);
    let second = machine(&registry).env("IMGSPEC_ANSWER_TIMEOUT", "2s");
    let manifest = second.read("imgspec.kdl");
    let local = "image \"local\" { base-image \"scratch\"; copy \"bin\" to=\"/bin\"; registry reset=#true }\n";
    second.write("imgspec.kdl", &format!("{manifest}{local}"));
    second
        .run(&["pull", "local"])
        .success()
        .says("local: has no `registry`");
    second.run(&["pull", "nothing"]).code(2).says("nothing");
    // Blobs are missing.
    registry.faults(|method, path| {
        let is_blob = method == "GET" && path.contains("team/app/blobs/");
        is_blob.then(|| Fault::Status(404, String::new()))
    });
    let ran = second.run(&["pull", "app", "tools"]).code(1);
    let ran = ran.says("app: failed after ").says("app: failed\n");
    assert!(
        ran.stdout
            .ends_with("1 image pulled, 0 already here, 1 not\n"),
        "{}",
        ran.stdout
    );
    // No answer at all.
    registry.faults(|_, _| Some(Fault::Status(500, String::new())));
    let ran = second.run(&["pull", "app", "tools"]).code(1);
    ran.says("app: could not determine whether it exists: registry `")
        .says("it answers 500");
    // Nothing of that is taken for an image.
    registry.behaves();
    let plan = second.run(&["graph", "plan", "app"]).success().stdout;
    assert!(plan.contains("app    build"), "{plan}");
}

#[test]
fn a_registry_that_takes_no_records_gets_the_images_and_one_warning() {
    let registry = Registry::new();
    registry.faults(|method, path| {
        let is_record = method == "PUT" && path.contains("imgspec-record-");
        is_record.then(|| Fault::Status(400, String::new()))
    });
    let ran = machine(&registry).run(PUSH).success();
    let warning = format!(
        "warning: records of builds are not left in the registry `{}`: ",
        registry.host
    );
    assert_eq!(ran.stderr.matches(&warning).count(), 1, "{}", ran.stderr);
    assert_eq!(
        ran.stderr.matches(": pushed in ").count(),
        2,
        "{}",
        ran.stderr
    );
    registry.behaves();
    let again = machine(&registry).run(PUSH).success();
    assert!(again.stderr.contains("2 images fresh"), "{}", again.stderr);
}

#[test]
fn a_record_that_is_none_is_refused_in_words() {
    let registry = pushed(true);
    let second = machine(&registry);
    second.write("data.txt", "other\n");
    let plan = || second.run(&["graph", "plan", "--push", "app"]).success();
    let key = "0".repeat(64);
    let record = |image: &str, seconds: &str, finished: &str| {
        format!(
            r#"{{"version":1,"image":"{image}","key":"{key}","artifact":{{"backend":"x","reference":"x","digest":"x"}},
               "platforms":[],"seconds":{seconds},"finished":"{finished}","bases":{{}},"stored":[]}}"#
        )
    };
    let time = "2026-01-02T03:04:05Z";
    let cases = [
        (record("app", "1.5", time), "unknown input"),
        (record("tools", "1.5", time), "it belongs to another image"),
        (record("app", "-1", time), "it says what cannot be"),
        (record("app", "1.5", r"\u001b[2J"), "it says what cannot be"),
        (
            record("app", "1.5", time).replace("\"version\":1", "\"version\":9"),
            "another version of imgspec",
        ),
        ("[".repeat(10_000), "it is damaged"),
        (String::new(), "it is damaged"),
    ];
    for (text, words) in cases {
        registry.put("team/app", "imgspec-record-app", RECORD, text.as_bytes());
        let ran = plan();
        assert!(ran.stdout.contains(words), "{text:.200}\n{}", ran.stdout);
        assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    }
    let unasked =
        "warning: records of builds on other machines could not be looked for: registry `";
    registry.put("team/app", "imgspec-record-app", "application/x", b"{}");
    plan()
        .says("never built")
        .says(unasked)
        .says("is not a `application/vnd.imgspec.record");
    registry.put(
        "team/app",
        "imgspec-record-app",
        RECORD,
        &vec![b' '; 2 << 20],
    );
    plan().says(unasked).says("longer than 1 MiB");
    // Others than what the digest says.
    registry.put(
        "team/app",
        "imgspec-record-app",
        RECORD,
        record("app", "1.5", time).as_bytes(),
    );
    registry.faults(|_, path| path.contains("imgspec-record-").then_some(Fault::Lie));
    plan().says("never built").says(unasked).says("instead of");
    registry.faults(|_, path| path.contains("imgspec-record-").then_some(Fault::HangUp));
    plan().says("never built").says(unasked);
}
