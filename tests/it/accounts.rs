//! What `graph build` leaves for later: the timeline.

use serde_json::Value;

use crate::build::{interrupt, wait_for};
use crate::sandbox::Sandbox;

/// `app` on `base`, and `docs` apart.
fn shop() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write(
        "imgspec.kdl",
        "image \"base\" { base-image \"scratch\"; env A=\"1\" }\n\
         image \"app\" { base-image image=\"base\"; env A=\"2\" }\n\
         image \"docs\" { base-image \"scratch\"; env A=\"3\" }\n",
    );
    sandbox
}

fn trace(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.read("t.json")).unwrap()
}

/// `image state` of each span of a worker.
fn spans(trace: &Value) -> Vec<String> {
    let events = trace["traceEvents"].as_array().unwrap().iter();
    let spans = events.filter(|event| event["ph"] == "X" && event["tid"] != 0);
    let mut spans: Vec<String> = spans
        .map(|span| {
            let child = sandbox.spawn(&["graph", "build", "--builder", "fake", "--timeline", "t.json"]);
    let log = sandbox.path(".imgspec/fake/builds.log");
    wait_for(|| std::fs::read_to_string(&log).is_ok_and(|log| log.lines().count() == 2));
    interrupt(child.id());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    assert_eq!(
        spans(&trace(&sandbox)),
        ["base cancelled", "docs cancelled"]
    );
}

#[test]
fn a_timeline_that_nothing_can_open_is_refused() {
    for file in ["t.txt", "t", ".json"] {
        let sandbox = shop();
        sandbox.build(&["--timeline", file]).code(2).says("`.json`");
        assert!(!sandbox.path(".imgspec").exists());
    }
}
