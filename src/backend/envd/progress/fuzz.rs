//! Fuzzes envd's output: whatever it prints, its vertices become steps of the user's, and nothing is reported twice.

use std::sync::Mutex;

use super::{Reader, complaint};
use crate::backend::Notes;
use crate::backend::envd::render::Steps;
use crate::backend::steps::StepName;
use crate::fuzz::{Fuzz, Random};
use crate::process::Stream;

const LINES: &[&str] = &[
    "#1 docker-image://127.0.0.1:5000/a:1",
    "#2 local://build-context",
    "#3 copy /files/0/src /app/",
    "#3 CACHED",
    "#4 bash -c set -euo pipefail",
    ": 0; cd /; exec /bin/sh -c x",
    ": 99999999999999999999; x",
    ": 18446744073709551615; x",
    "#4 0.1 out",
    "#4 ERROR: no",
    "------",
    "#5 apt-get install x",
    "#6 create conda environment",
    "",
    "#",
    "# x",
    "#4294967295 x",
    "#4294967296 x",
    "é",
    "#7 micromamba install",
    "#8 copy /files/",
    "#9 copy /",
    "#4 DONE 0.2s",
];

const ERRORS: &[&str] = &[
    "time=\"t\" level=fatal msg=exit app=envd error=\"failed to build: x\" version=v1",
    "time=\"t\" level=fatal error=",
    "level=fatal error=\"",
    "level=fatal error=\"\\u",
    "level=fatal error=\"\\\"\" version=",
    "level=debug x",
    "level=fatal",
    "",
    "é",
    "error=\"a\" level=fatal \" version=",
    "level=fatal error=é x",
];

/// The number of reported notes.
#[derive(Default)]
struct Recorder(Mutex<usize>);

impl Notes for Recorder {
    fn step(&self, step: usize, of: usize, _: &str) {
        assert!(step >= 1 && step <= of.max(step));
        *self.0.lock().unwrap() += 1;
    }
    fn cached(&self, _: &str) {
        *self.0.lock().unwrap() += 1;
    }
    fn log(&self, _: &str) {
        *self.0.lock().unwrap() += 1;
    }
}

fn steps() -> Steps {
    let step = |words: &str| StepName {
        words: words.into(),
        fetches: false,
    };
    Steps {
        names: ["base-image: a:1", "copy: src to /app/src", "commands: one"]
            .map(step)
            .to_vec(),
        copies: vec![("files/0/src".into(), 1), (String::new(), 1)],
        apt: Some(0),
        commands: 2,
        ..Steps::default()
    }
}

/// Output lines; those on stderr begin with `!`.
fn make(random: &mut Random) -> String {
    if let Some(long) = random.long(LINES) {
        return long;
    }
    let lines: Vec<String> = (0..random.few(1, 12))
        .map(|_| match random.below(5) {
            0 => format!("!{}", random.pick(ERRORS)),
            1 => {
                let line = *random.pick(LINES);
                random.spoilt(line, ERRORS)
            }
            _ => (*random.pick(LINES)).to_owned(),
        })
        .collect();
    lines.join("\n")
}

fn judge(text: &str) -> bool {
    let (steps, told) = (steps(), Recorder::default());
    let mut reader = Reader::new(&steps, &told);
    for line in text.lines() {
        match line.strip_prefix('!') {
            Some(line) => {
                assert!(complaint(line).len() <= line.len().max(1));
                reader.line(Stream::Err, line);
            }
            None => reader.line(Stream::Out, line),
        }
    }
    let _ = reader.failure();
    let told = *told.0.lock().unwrap();
    // A vertex that turns out to be cached is named once more.
    assert!(told <= 2 * text.lines().count());
    told > 0
}

#[test]
fn envd_progress() {
    Fuzz {
        name: "envd's progress",
        runs: 30_000,
        make,
        judge: |input: &String| judge(input),
    }
    .run()
    .accepts(34);
}
