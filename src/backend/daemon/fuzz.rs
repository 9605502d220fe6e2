//! Fuzzes Docker's configuration and contexts, the output of `docker info`, and the daemon's answers about images.

use std::path::Path;

use serde_json::json;

use super::endpoint::Endpoint;
use super::{engine, inspect};
use crate::backend::Existence;
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
    "true",
    "0",
    "\"currentContext\":\"work\"",
    "\"currentContext\":7",
    "\"proxies\":{\"default\":{\"httpProxy\":\"p\"}}",
    "\"proxies\":[]",
    "\"Endpoints\":{\"docker\":{\"Host\":\"unix:///x\"}}",
    "\"Host\":\"tcp://h:1\"",
    "\"Host\":\"\"",
    "\"Name\":\"work\"",
    "\\u0000",
    "é",
    "\"ServerVersion\":\"28.1\"",
    "\"ServerErrors\":[\"x\"]",
    "\"DriverStatus\":[[\"a\"],[]]",
    "\"ClientInfo\":{\"Plugins\":[{\"Name\":\"buildx\",\"Path\":\"/x\",\"Version\":\"v9999999999999.1\"}]}",
    "\"OSType\":\"windows\"",
    "\"Id\":\"sha256:1\"",
    "\"Config\":{\"Labels\":{\"dev.imgspec.key\":\"k\"}}",
    "\"RepoTags\":[\"a:1\",null]",
    "\"Os\":\"linux\"",
    "\"Architecture\":\"amd64\"",
    "\"Variant\":\"v8\"",
    "\"message\":\"no such image\"",
    "1e999",
    "\n",
];

fn some_json(random: &mut Random, good: &serde_json::Value) -> String {
    match random.below(4) {
        0 => random.spoilt(&good.to_string(), WORDS),
        1 => format!("{{{}}}", random.soup(WORDS, 6)),
        2 if random.chance(1, 2) => random.soup(WORDS, 10),
        _ => good.to_string(),
    }
}

/// Two files of Docker's configuration, separated by a control character.
fn files(random: &mut Random) -> String {
    if let Some(long) = random.long(WORDS) {
        return long;
    }
    let config = json!({ "currentContext": "work", "proxies": { "default": { "httpProxy": "http://p:1", "noProxy": "" }, "unix:///x": { "allProxy": "q" } } });
    let meta = json!({ "Name": "work", "Endpoints": { "docker": { "Host": *random.pick(&["unix:///x", "tcp://h:1", "ssh://u@h", "npipe:////./pipe", "", "unix://"]) } } });
    format!(
        "{}\u{1}{}",
        some_json(random, &config),
        some_json(random, &meta)
    )
}

fn judge_files(text: &str, folder: &Path) -> bool {
    let (config, meta) = text.split_once('\u{1}').unwrap_or((text, text));
    std::fs::write(folder.join("config.json"), config).unwrap();
    std::fs::write(folder.join("contexts/meta/0/meta.json"), meta).unwrap();
    let Ok(found) = Endpoint::find(None, None, Some(folder)) else {
        return false;
    };
    if let Some(socket) = found.socket() {
        assert_eq!(format!("unix://{}", socket.display()), found.host);
    }
    for (name, value) in found.proxies(Some(folder)) {
        assert!(!value.is_empty() && name.to_uppercase().ends_with("_PROXY"));
    }
    true
}

/// The output of `docker info`, followed by its error output.
fn info(random: &mut Random) -> String {
    let good = json!({ "ServerVersion": *random.pick(&["28.1.0", "20.10.1", "19.3", "28.0+dev", "v4294967296.1"]), "Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        "OSType": "linux", "ClientInfo": { "Version": "28.1", "Context": "default", "Plugins": [{ "Name": "buildx", "Path": "/x", "Version": "v0.29.1" }] } });
    random
        .long(WORDS)
        .unwrap_or_else(|| format!("{}\u{1}{}", some_json(random, &good), random.soup(WORDS, 3)))
}

fn judge_info(text: &str) -> bool {
    let (out, err) = text.split_once('\u{1}').unwrap_or((text, ""));
    match engine::read("the Docker daemon", out, err) {
        Ok(engine) => {
            let _ = (
                engine.can_build(),
                engine.can_be_direct(),
                engine.availability(true),
            );
            assert!(!engine.server.is_empty());
            true
        }
        Err(none) => {
            assert!(!none.why.is_empty() && !none.mend.is_empty());
            false
        }
    }
}

/// An answer of the daemon about an image: the status, then the body.
fn answer(random: &mut Random) -> String {
    let good = json!({ "Id": "sha256:1", "RepoTags": ["a:1"], "Os": "linux", "Architecture": "amd64", "Config": { "Labels": { "dev.imgspec.key": "k" } } });
    let body = random
        .long(WORDS)
        .unwrap_or_else(|| some_json(random, &good));
    format!(
        "{} {body}",
        random.pick(&["200", "200", "200", "200", "404", "500", "301", "65535"])
    )
}

fn judge_answer(text: &str) -> bool {
    let (status, body) = text.split_once(' ').unwrap_or(("0", text));
    let status = status.parse().unwrap_or(0);
    match inspect::read_one(
        "the Docker daemon",
        status,
        body.as_bytes(),
        ("a:1", &["linux/amd64".to_owned()]),
    ) {
        Existence::Present { .. } | Existence::Incomplete { .. } => {
            assert_eq!(status, 200, "present only with status 200");
            true
        }
        Existence::Absent => {
            assert_eq!(status, 404, "absent only with status 404");
            true
        }
        Existence::Unknown { .. } => false,
    }
}

#[test]
fn docker_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("contexts/meta/0")).unwrap();
    let fuzz = Fuzz {
        name: "Docker's configuration",
        runs: 3000,
        make: files,
        judge: |text: &String| judge_files(text, folder.path()),
    };
    fuzz.run().accepts(20);
}

#[test]
fn docker_info() {
    Fuzz {
        name: "docker info",
        runs: 30_000,
        make: info,
        judge: |input: &String| judge_info(input),
    }
    .run()
    .accepts(20);
}

#[test]
fn daemon_answers() {
    Fuzz {
        name: "the daemon's answers",
        runs: 30_000,
        make: answer,
        judge: |input: &String| judge_answer(input),
    }
    .run()
    .accepts(15);
}
