//! Fuzzes the configs of bases: whatever JSON a stranger's image has, what is set is there afterwards, and nothing else is lost.

use serde_json::{Value, json};

use super::config::Config;
use crate::backend::oci::name::Digest;
use crate::fuzz::{Fuzz, Random};

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "null",
    "0",
    "-1e400",
    "true",
    "\"config\":",
    "\"Env\":[\"A=1\",\"A\",7]",
    "\"Labels\":{\"a\":null}",
    "\"WorkingDir\":7",
    "\"rootfs\":{\"diff_ids\":[\"sha256:0\"]}",
    "\"history\":{}",
    "\"os\":[]",
    "\"variant\":\"v8\"",
    "\"created\":{}",
    "\\ud800",
    "é",
    "\u{0}",
];

fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 4 } else { 6 }) {
        0 => Value::Null,
        1 => json!(random.below(9)),
        2 => json!(*random.pick(&["", "/", "A=1", "PATH=/bin", "linux", "sha256:0", "é\n"])),
        3 => json!(Digest::of(b"").to_string()),
        4 => (0..random.few(0, 4))
            .map(|_| value(random, depth - 1))
            .collect(),
        _ => {
            let names = [
                "Env",
                "Labels",
                "User",
                "WorkingDir",
                "diff_ids",
                "a",
                "Cmd",
            ];
            let pairs = (0..random.few(0, 4)).map(|_| {
                let name = (*random.pick(&names)).to_owned();
                (name, value(random, depth - 1))
            });
            Value::Object(pairs.collect())
        }
    }
}

fn make(random: &mut Random) -> String {
    let mut whole = json!({
        "os": "linux", "architecture": "arm64", "future": [1],
        "config": { "Env": ["PATH=/bin", "A=0"], "Labels": { "a": "b" }, "User": "1" },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(b"").to_string()] },
        "history": [{ "created_by": "x" }],
    });
    for _ in 0..random.few(0, 3) {
        let name = *random.pick(&[
            "os",
            "architecture",
            "variant",
            "config",
            "rootfs",
            "history",
            "created",
        ]);
        whole[name] = value(random, 3);
    }
    let text = whole.to_string();
    if random.chance(1, 4) {
        random.spoilt(&text, WORDS)
    } else {
        text
    }
}

fn judge(text: &String) -> bool {
    let mut config = match Config::read(text.as_bytes()) {
        Ok(config) => config,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let before: Value = serde_json::from_str(text).expect("it has been read");
    let layers = config.diff_ids().map_or(0, |ids| ids.len());
    assert!(config.workdir().len() <= text.len() && config.user().len() <= text.len());
    let _ = config.platform().to_string();
    config.set_variable("A", "x=y");
    config.set_label("l", "m");
    config.set("User", "7");
    config.add_history("step", Some(Digest::of(b"1")));
    config.retain_labels(|name| name == "l");
    let bytes = config.clone().bytes();
    let after: Value = serde_json::from_slice(&bytes).expect("JSON");
    let all = after["config"]["Env"].as_array().expect("a list");
    let set = all
        .iter()
        .filter(|one| one.as_str().is_some_and(|one| one.starts_with("A=")));
    assert!(set.clone().any(|one| one == "A=x=y"), "{after}");
    assert_eq!(after["config"]["Labels"], json!({ "l": "m" }));
    assert_eq!(after["config"]["User"], "7");
    assert_eq!(after.get("future"), before.get("future"));
    let read = Config::read(&bytes).expect("what was written");
    if layers > 0 {
        assert_eq!(read.diff_ids().map(|ids| ids.len()), Some(layers + 1));
    }
    assert_eq!(read.bytes(), bytes, "written twice, it is the same");
    true
}

#[test]
fn configs_of_strangers() {
    Fuzz {
        name: "image configs",
        runs: 20_000,
        make,
        judge,
    }
    .run()
    .accepts(50);
}
