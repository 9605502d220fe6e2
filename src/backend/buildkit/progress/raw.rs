//! Parser for `--progress=rawjson`: one JSON object per line, each describing changes.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bollard_buildkit_proto::moby::buildkit::v1 as proto;
use serde::{Deserialize, Deserializer};

use super::reporter::StepReporter;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    vertexes: Vec<Vertex>,
    #[serde(default)]
    logs: Vec<Log>,
    #[serde(default, deserialize_with = "shorts")]
    warnings: Vec<Vec<u8>>,
}

#[derive(Debug, Default, Deserialize)]
struct Vertex {
    digest: String,
    #[serde(default)]
    name: String,
    #[serde(default, deserialize_with = "is_there")]
    started: bool,
    #[serde(default)]
    cached: bool,
    #[serde(default)]
    error: String,
}

#[derive(Debug, Default, Deserialize)]
struct Log {
    #[serde(default)]
    vertex: String,
    #[serde(default, deserialize_with = "bytes")]
    data: Vec<u8>,
}

impl From<proto::StatusResponse> for Status {
    fn from(status: proto::StatusResponse) -> Self {
        let vertex = |vertex: proto::Vertex| Vertex {
            digest: vertex.digest,
            name: vertex.name,
            started: vertex.started.is_some(),
            cached: vertex.cached,
            error: vertex.error,
        };
        let log = |log: proto::VertexLog| Log {
            vertex: log.vertex,
            data: log.msg,
        };
        Self {
            vertexes: status.vertexes.into_iter().map(vertex).collect(),
            logs: status.logs.into_iter().map(log).collect(),
            warnings: status.warnings.into_iter().map(|said| said.short).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Warning {
    #[serde(default, deserialize_with = "bytes")]
    short: Vec<u8>,
}

fn shorts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let warnings = Vec::<Warning>::deserialize(from)?;
    Ok(warnings.into_iter().map(|warning| warning.short).collect())
}

fn is_there<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Option::<String>::deserialize(from).map(|time| time.is_some())
}

/// `BuildKit`'s bytes; invalid base64 counts as empty.
fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    Ok(STANDARD.decode(text).unwrap_or_default())
}

/// The state of each vertex so far, by digest: vertices are repeated with every change.
#[derive(Default)]
pub(super) struct Raw {
    parts: BTreeMap<String, Part>,
}

#[derive(Default)]
struct Part {
    began: bool,
    cached: bool,
    failed: bool,
    /// The bytes after the last line ending.
    rest: Vec<u8>,
}

impl Raw {
    pub(super) fn line(&mut self, line: &str, reporter: &mut StepReporter<'_>) {
        let read = line.starts_with('{').then(|| serde_json::from_str(line));
        match read {
            Some(Ok(status)) => self.status(status, reporter),
            _ => reporter.text(line),
        }
    }

    pub(super) fn status(&mut self, status: Status, reporter: &mut StepReporter<'_>) {
        for vertex in status.vertexes {
            self.vertex(&vertex, reporter);
        }
        for log in status.logs {
            self.log(log, reporter);
        }
        for warning in status.warnings {
            reporter.output(&format!("warning: {}", String::from_utf8_lossy(&warning)));
        }
    }

    fn vertex(&mut self, vertex: &Vertex, reporter: &mut StepReporter<'_>) {
        let part = self.parts.entry(vertex.digest.clone()).or_default();
        if vertex.cached && !part.cached {
            part.cached = true;
            reporter.cached(&vertex.name);
        }
        if vertex.started && !part.began && !part.cached {
            part.began = true;
            reporter.began(&vertex.name);
        }
        if !vertex.error.is_empty() && !part.failed {
            part.failed = true;
            reporter.failed(&vertex.name, &vertex.error);
        }
    }

    fn log(&mut self, log: Log, reporter: &mut StepReporter<'_>) {
        let part = self.parts.entry(log.vertex).or_default();
        // Messages may be split within a character, but lines are not. Incomplete lines are not moved: a message may
        // have a million lines.
        for piece in log.data.split_inclusive(|byte| *byte == b'\n') {
            part.rest.extend(piece);
            if piece.ends_with(b"\n") {
                tell(&part.rest, reporter);
                part.rest.clear();
            }
        }
    }

    pub(super) fn end(&mut self, reporter: &mut StepReporter<'_>) {
        for part in self.parts.values_mut() {
            let rest = std::mem::take(&mut part.rest);
            if !rest.is_empty() {
                tell(&rest, reporter);
            }
        }
    }
}

/// Reports a line; of one that was overwritten in place (a progress bar), only the final state.
fn tell(line: &[u8], reporter: &mut StepReporter<'_>) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    reporter.output(text.rsplit('\r').next().unwrap_or(text));
}
