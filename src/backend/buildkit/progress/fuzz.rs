//! Fuzzes build output in both formats, and the daemon's messages over its socket: every line that a step wrote is
//! reported once and unchanged, whatever else is in the stream.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;
use prost::Message;
use serde_json::{Value, json};

use super::reporter::KEPT;
use super::{Form, Progress, StepName};
use crate::backend::Notes;
use crate::fuzz::{Fuzz, Random};

const WORDS: &[&str] = &[
    "#1 ",
    "#2 ",
    "#1 [1/3] FROM x",
    "#2 [linux/amd64 stage-0 2/3] RUN y",
    "#2 CACHED",
    "#2 0.1 out",
    "#2 ERROR: no",
    "#0 ",
    "#99999999999 ",
    "#-1 ",
    "------",
    "ERROR: failed",
    "DONE 0.1s",
    "[0/0]",
    "[18446744073709551615/2]",
    "[1/",
    "] ",
    "exporting to image",
    "context canceled",
    "\n",
    "\n",
    " ",
    "é",
    "\r",
    "\u{0}",
    "0.",
    ".1",
    "#",
    "{",
    "}",
    "{\"vertexes\":[",
    "{\"digest\":\"a\",\"name\":\"[2/3] x\",\"started\":\"t\"}",
    "{\"logs\":[{\"vertex\":\"a\",\"data\":\"b25lCg==\"}]}",
    "{\"warnings\":[{\"short\":\"bw==\"}]}",
    "null",
    "\"",
    "]}",
    ",",
    "[[[[",
    "\\u0000",
    "#1 [internal] load\n",
];

#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn add(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Notes for Recorder {
    fn step(&self, step: usize, of: usize, name: &str) {
        assert!(
            (step > 0 || of == 0) && !name.contains('\n'),
            "{step} {name:?}"
        );
    }
    fn cached(&self, _: &str) {}
    fn log(&self, line: &str) {
        self.add(line);
    }
}

fn steps() -> Vec<StepName> {
    let step = |words: &str| StepName {
        words: words.into(),
        fetches: false,
    };
    ["base-image: x", "commands: y"].map(step).to_vec()
}

/// Returns the reported lines of a stream; asserts that the failure report stays short.
fn heard(form: Form, text: &str, own: bool) -> Vec<String> {
    let steps = if own { Vec::new() } else { steps() };
    let heard = Recorder::default();
    let mut progress = Progress::new(form, &steps, &heard);
    for line in text.lines() {
        progress.line(line);
    }
    let failure = progress.failure();
    assert!(failure.lines.len() <= KEPT);
    assert!(failure.error.len() <= text.len());
    heard.0.into_inner().unwrap()
}

fn plain(random: &mut Random) -> String {
    random.long(WORDS).unwrap_or_else(|| {
        let lines: Vec<String> = (0..random.few(1, 10))
            .map(|_| random.soup(WORDS, 4))
            .collect();
        lines.join("\n")
    })
}

fn judge_plain(text: &str) -> bool {
    let heard = heard(Form::Plain, text, text.len().is_multiple_of(2));
    let said = text.lines().count();
    assert!(heard.len() <= said, "no line is told twice");
    !heard.is_empty()
}

/// Messages about a few vertices, whose output is split at arbitrary bytes.
fn raw(random: &mut Random) -> String {
    if let Some(long) = random.long(&["x\n", "é", "\n", "\r", "abc ", "\n\n"]) {
        // One message, and many small ones.
        let size = if random.chance(1, 2) { long.len() } else { 64 };
        let pieces = long.as_bytes().chunks(size.max(1));
        return pieces.map(|piece| log("a", piece) + "\n").collect();
    }
    let pieces = [
        "one\n",
        "tw",
        "o",
        "\n",
        "é\n",
        "\r50%\r100%\n",
        "\n\n",
        "last",
        "\u{0}\u{1b}[0m\n",
    ];
    let mut lines = Vec::new();
    for _ in 0..random.few(1, 12) {
        let vertex = *random.pick(&["a", "b", ""]);
        lines.push(match random.below(6) {
            0 => json!({ "vertexes": [{ "digest": vertex, "name": "[2/3] RUN x", "started": "t", "cached": random.chance(1, 2), "error": *random.pick(&["", "no", "x: context canceled"]) }] }).to_string(),
            1 if random.chance(1, 2) => random.soup(WORDS, 5),
            _ => {
                let bytes = random.pick(&pieces).as_bytes();
                let cut = random.below(bytes.len() + 1);
                log(vertex, &bytes[..cut]) + "\n" + &log(vertex, &bytes[cut..])
            }
        });
    }
    let text = lines.join("\n");
    if random.chance(1, 5) {
        random.spoilt(&text, WORDS)
    } else {
        text
    }
}

fn log(vertex: &str, data: &[u8]) -> String {
    json!({ "logs": [{ "vertex": vertex, "stream": 1, "data": STANDARD.encode(data) }] })
        .to_string()
}

/// The lines that each step wrote, reassembled independently; `None` if a message is not in the usual form.
fn written(text: &str) -> Option<Vec<String>> {
    let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).ok()?;
        if message.to_string().len() != line.len() {
            // It contains a duplicate key, or is not serialized in the usual way.
            return None;
        }
        let fields = message.as_object()?;
        for (name, value) in fields {
            match name.as_str() {
                "logs" => {
                    for log in value.as_array()? {
                        let data = STANDARD.decode(log.get("data")?.as_str()?).ok()?;
                        parts
                            .entry(log.get("vertex")?.as_str()?.to_owned())
                            .or_default()
                            .extend(data);
                    }
                }
                "vertexes" => {
                    let parts = value.as_array()?;
                    let is_text = |part: &Value, name| part.get(name).is_some_and(Value::is_string);
                    let has_all = |part: &&Value| {
                        ["digest", "name", "started", "error"]
                            .iter()
                            .all(|name| is_text(part, name))
                    };
                    let whole = parts
                        .iter()
                        .filter(has_all)
                        .filter(|part| part.get("cached").is_some_and(Value::is_boolean));
                    (whole.count() == parts.len()).then_some(())?;
                }
                _ => return None,
            }
        }
    }
    let mut lines: Vec<String> = Vec::new();
    for bytes in parts.values() {
        let mut pieces: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if pieces.last().is_some_and(|last| last.is_empty()) {
            pieces.pop();
        }
        let shown = |piece: &[u8]| {
            let text = String::from_utf8_lossy(piece)
                .trim_end_matches('\r')
                .to_owned();
            text.rsplit('\r').next().unwrap_or_default().to_owned()
        };
        lines.extend(pieces.into_iter().map(shown));
    }
    lines.sort();
    Some(lines)
}

fn judge_raw(text: &str) -> bool {
    let mut told = heard(Form::Raw, text, false);
    let is_usual = text.lines().all(|line| line.starts_with('{'));
    if let Some(expected) = written(text).filter(|_| is_usual) {
        told.retain(|line| !line.starts_with("[2/2] "));
        told.sort();
        assert_eq!(told, expected, "what was written is told");
        return true;
    }
    false
}

fn status(random: &mut Random) -> Vec<u8> {
    let mut bytes = StatusResponse {
        vertexes: vec![bollard_buildkit_proto::moby::buildkit::v1::Vertex {
            digest: "a".into(),
            name: random.soup(WORDS, 2),
            cached: random.chance(1, 2),
            error: random.soup(&["", "no", "context canceled"], 1),
            ..Default::default()
        }],
        logs: vec![bollard_buildkit_proto::moby::buildkit::v1::VertexLog {
            vertex: "a".into(),
            msg: random.bytes(40),
            ..Default::default()
        }],
        ..StatusResponse::default()
    }
    .encode_to_vec();
    if random.chance(1, 2) && !bytes.is_empty() {
        for _ in 0..random.few(1, 4) {
            let at = random.below(bytes.len());
            bytes[at] = random.next().to_le_bytes()[0];
        }
    }
    bytes
}

fn judge_status(bytes: &[u8]) -> bool {
    let Ok(status) = StatusResponse::decode(bytes) else {
        return false;
    };
    let (steps, heard) = (steps(), Recorder::default());
    let mut progress = Progress::new(Form::Raw, &steps, &heard);
    progress.status(status);
    let _ = progress.failure();
    true
}

#[test]
fn plain_progress() {
    Fuzz {
        name: "plain progress",
        runs: 30_000,
        make: plain,
        judge: |input: &String| judge_plain(input),
    }
    .run()
    .accepts(30);
}

#[test]
fn raw_progress() {
    Fuzz {
        name: "JSON progress",
        runs: 5000,
        make: raw,
        judge: |input: &String| judge_raw(input),
    }
    .run()
    .accepts(34);
}

#[test]
fn status_messages() {
    Fuzz {
        name: "BuildKit's messages",
        runs: 30_000,
        make: status,
        judge: |input: &Vec<u8>| judge_status(input),
    }
    .run()
    .accepts(34);
}
