//! Tests of both formats with output of real builds.

use std::sync::Mutex;

use bollard_buildkit_proto::moby::buildkit::v1::VertexLog;

use super::reporter::number;
use super::*;

#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Notes for Recorder {
    fn step(&self, step: usize, of: usize, name: &str) {
        self.add(format!("step {step}/{of} {name}"));
    }
    fn cached(&self, name: &str) {
        self.add(format!("cached {name}"));
    }
    fn log(&self, line: &str) {
        self.add(format!("log {line}"));
    }
}

fn steps() -> Vec<StepName> {
    ["base-image: busybox", "copy: src to /src", "commands: make"]
        .map(|words| StepName {
            words: words.into(),
            fetches: false,
        })
        .to_vec()
}

fn read(form: Form, text: &str) -> (Vec<String>, Failure) {
    let (heard, steps) = (Recorder::default(), steps());
    let mut progress = Progress::new(form, &steps, &heard);
    for line in text.lines() {
        progress.line(line);
    }
    let failure = progress.failure();
    (heard.0.into_inner().unwrap(), failure)
}

#[test]
fn raw_progress_is_told_in_our_words() {
    let (heard, failure) = read(
        Form::Raw,
        r#"{"vertexes":[{"digest":"sha256:1","name":"[internal] load build definition from Dockerfile","started":"2026-01-01T00:00:00Z"}]}
{"vertexes":[{"digest":"sha256:2","name":"[2/3] COPY [0, /src]","started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:01Z","cached":true}]}
{"vertexes":[{"digest":"sha256:3","name":"[3/3] RUN [\"/bin/sh\",\"-c\",\"make\"]","started":"2026-01-01T00:00:01Z"}]}
{"vertexes":[{"digest":"sha256:3","name":"[3/3] RUN [\"/bin/sh\",\"-c\",\"make\"]","started":"2026-01-01T00:00:01Z"}]}
{"logs":[{"vertex":"sha256:3","stream":1,"data":"b25lCnR3","timestamp":"2026-01-01T00:00:01Z"}]}
{"logs":[{"vertex":"sha256:3","stream":2,"data":"bwp0aHJlZQ==","timestamp":"2026-01-01T00:00:01Z"}]}
{"vertexes":[{"digest":"sha256:3","name":"[3/3] RUN","started":"2026-01-01T00:00:01Z","completed":"2026-01-01T00:00:02Z","error":"process \"/bin/sh -c make\" did not complete successfully: exit code: 2"}]}
ERROR: failed to build: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2"#,
    );
    assert_eq!(
        heard,
        [
            "cached copy: src to /src",
            "step 3/3 commands: make",
            "log one",
            "log two",
            "log three",
        ]
    );
    assert_eq!(failure.step, Some(2));
    assert_eq!(failure.lines, ["one", "two", "three"]);
    assert!(failure.error.ends_with("exit code: 2"));
}

#[test]
fn plain_progress_is_told_the_same() {
    let (heard, failure) = read(
        Form::Plain,
        r#"#0 building with "default" instance using docker driver

#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 88B done
#1 DONE 0.0s

#4 [1/3] FROM docker.io/library/busybox
#4 CACHED

#6 [3/3] RUN ["/bin/sh","-c","make"]
#6 0.237 SHLVL=1
#6 0.237
#6 ERROR: process "/bin/sh -c make" did not complete successfully: exit code: 2
------
ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: exit code: 2"#,
    );
    assert_eq!(
        heard,
        [
            "cached base-image: busybox",
            "step 3/3 commands: make",
            "log SHLVL=1",
            "log ",
        ]
    );
    assert_eq!(failure.step, Some(2));
    assert!(failure.error.starts_with("process"));
}

#[test]
fn a_message_of_a_million_lines_is_told_in_good_time() {
    // Found by fuzzing: the remainder of the message used to be moved for each of its lines.
    let (heard, steps) = (Recorder::default(), steps());
    let mut progress = Progress::new(Form::Raw, &steps, &heard);
    let start = std::time::Instant::now();
    progress.status(StatusResponse {
        logs: vec![VertexLog {
            vertex: "a".into(),
            msg: vec![b'\n'; 1 << 20],
            ..VertexLog::default()
        }],
        ..StatusResponse::default()
    });
    assert_eq!(heard.0.lock().unwrap().len(), 1 << 20);
    assert!(start.elapsed() < std::time::Duration::from_secs(15));
}

#[test]
fn an_error_before_any_step_is_the_last_that_was_said() {
    let (_, failure) = read(
        Form::Raw,
        "ERROR: failed to build: no builder \"x\" found\n",
    );
    assert_eq!(failure.step, None);
    assert_eq!(failure.error, "failed to build: no builder \"x\" found");
}

#[test]
fn numbers_are_found_behind_stages_and_platforms() {
    assert_eq!(number("[1/3] FROM x"), Some((0, 3)));
    assert_eq!(number("[linux/arm64 stage-0 2/3] RUN x"), Some((1, 3)));
    assert_eq!(number("[internal] load metadata for x"), None);
    assert_eq!(number("exporting to image"), None);
    assert_eq!(number("[auth] a/b:pull token"), None);
}
