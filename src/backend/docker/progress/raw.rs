//! `--progress=rawjson`: one JSON object a line, of which each tells what changed.

use std::collections::BTreeMap;

use serde::Deserialize;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Teller;

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    vertexes: Vec<Vertex>,
    #[serde(default)]
    logs: Vec<Log>,
    #[serde(default)]
    warnings: Vec<Warning>,
}

#[derive(Deserialize)]
struct Vertex {
    digest: String,
    #[serde(default)]
    name: String,
    started: Option<String>,
    #[serde(default)]
    cached: bool,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Log {
    #[serde(default)]
    vertex: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct Warning {
    #[serde(default)]
    short: String,
}

/// What was told of each part so far, by digest: parts are told again with every change.
#[derive(Default)]
pub(super) struct Raw {
    parts: BTreeMap<String, Part>,
}

#[derive(Default)]
struct Part {
    began: bool,
    cached: bool,
    failed: bool,
    /// The bytes after the last line end.
    rest: Vec<u8>,
}

impl Raw {
    pub(super) fn line(&mut self, line: &str, teller: &mut Teller<'_>) {
        let status = line.starts_with('{').then(|| serde_json::from_str(line));
        let Some(Ok(status)) = status else {
            return teller.text(line);
        };
        let status: Status = status;
        for vertex in status.vertexes {
            self.vertex(&vertex, teller);
        }
        for log in status.logs {
            self.log(&log, teller);
        }
        for warning in status.warnings {
            let words = decoded(&warning.short);
            teller.output(&format!("warning: {}", String::from_utf8_lossy(&words)));
        }
    }

    fn vertex(&mut self, vertex: &Vertex, teller: &mut Teller<'_>) {
        let part = self.parts.entry(vertex.digest.clone()).or_default();
        if vertex.cached && !part.cached {
            part.cached = true;
            teller.cached(&vertex.name);
        }
        if vertex.started.is_some() && !part.began && !part.cached {
            part.began = true;
            teller.began(&vertex.name);
        }
        if !vertex.error.is_empty() && !part.failed {
            part.failed = true;
            teller.failed(&vertex.name, &vertex.error);
        }
    }

    fn log(&mut self, log: &Log, teller: &mut Teller<'_>) {
        let part = self.parts.entry(log.vertex.clone()).or_default();
        part.rest.extend(decoded(&log.data));
        // A character may be cut in two between messages, never within a line.
        while let Some(end) = part.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = part.rest.drain(..=end).collect();
            tell(&line, teller);
        }
    }

    /// Tells what was left without a line end.
    pub(super) fn end(&mut self, teller: &mut Teller<'_>) {
        for part in self.parts.values_mut() {
            let rest = std::mem::take(&mut part.rest);
            if !rest.is_empty() {
                tell(&rest, teller);
            }
        }
    }
}

/// Bytes of `BuildKit`'s; what is no base64 tells nothing.
fn decoded(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_default()
}

/// Of a line that was overwritten in place (a progress bar) only the last state is told.
fn tell(line: &[u8], teller: &mut Teller<'_>) {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    teller.output(text.rsplit('\r').next().unwrap_or(text));
}
