//! `imgspec watch`, with real files and real events.

mod edits;
mod keeps;
mod storms;
mod surroundings;
mod terminal;

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::Sandbox;

/// Nothing takes longer, even on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// A running watch, and its events so far.
pub(crate) struct Watch {
    child: Child,
    events: Receiver<Value>,
    pub(crate) heard: Vec<Value>,
}

impl Watch {
    /// Starts a watch with the fake backend.
    pub(crate) fn start(sandbox: &Sandbox, more: &[&str]) -> Self {
        let arguments = [
            "watch",
            "--builder",
            "fake",
            "--progress",
            "json",
            "--quiet-period",
            "20ms",
        ];
        Self::of(sandbox.spawn(&[&arguments, more].concat()))
    }

    /// Collects the events of a process.
    pub(crate) fn of(mut child: Child) -> Self {
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            events,
            heard: Vec::new(),
        }
    }

    /// Starts a watch and waits until it is idle.
    #[track_caller]
    pub(crate) fn settled(sandbox: &Sandbox, more: &[&str]) -> Self {
        let mut watch = Self::start(sandbox, more);
        watch.until("watch-waiting");
        watch
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next event of this kind; earlier ones are in `heard`.
    #[track_caller]
    pub(crate) fn until(&mut self, kind: &str) -> Value {
        self.until_it(|event| event["event"] == kind, kind)
    }

    #[track_caller]
    pub(crate) fn until_it(&mut self, is_it: impl Fn(&Value) -> bool, what: &str) -> Value {
        let end = Instant::now() + LIMIT;
        loop {
            match self
                .events
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(event) => {
                    self.heard.push(event.clone());
                    if is_it(&event) {
                        return event;
                    }
                }
                Err(error) => panic!(
                    "waited in vain for {what} ({error}); heard:\n{}",
                    self.story()
                ),
            }
        }
    }

    /// All events of the next wave.
    #[track_caller]
    pub(crate) fn wave(&mut self) -> Wave {
        let start = self.heard.len();
        self.until("watch-waiting");
        Wave(self.heard[start..].to_vec())
    }

    /// Asserts that nothing happens for a while.
    #[track_caller]
    pub(crate) fn stays_still(&mut self) {
        match self.events.recv_timeout(Duration::from_millis(400)) {
            Err(RecvTimeoutError::Timeout) => {}
            other => panic!("something happened: {other:?}\n{}", self.story()),
        }
    }

    pub(crate) fn story(&self) -> String {
        let said: Vec<String> = self.heard.iter().map(ToString::to_string).collect();
        said.join("\n")
    }

    /// Sends Ctrl-C; returns all events until the end.
    #[track_caller]
    pub(crate) fn stop(self) -> Vec<Value> {
        signal(self.pid(), rustix::process::Signal::INT);
        self.ends(0)
    }

    /// Asserts that it ends with this code; returns all events until then.
    #[track_caller]
    pub(crate) fn ends(mut self, code: i32) -> Vec<Value> {
        while let Ok(event) = self.events.recv_timeout(LIMIT) {
            self.heard.push(event);
        }
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(code), "{}", self.story());
        std::mem::take(&mut self.heard)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process");
    rustix::process::kill_process(pid, signal).expect("it runs");
}

/// The events of one wave.
#[derive(Debug)]
pub(crate) struct Wave(pub(crate) Vec<Value>);

impl Wave {
    /// The images of all events of a kind, sorted.
    pub(crate) fn images(&self, kind: &str) -> Vec<String> {
        let events = self.0.iter().filter(|event| event["event"] == kind);
        let mut images: Vec<String> = events
            .map(|event| event["image"].as_str().expect("an id").to_owned())
            .collect();
        images.sort();
        images
    }

    pub(crate) fn built(&self) -> Vec<String> {
        self.images("image-built")
    }

    pub(crate) fn count(&self, kind: &str) -> usize {
        self.0.iter().filter(|event| event["event"] == kind).count()
    }

    /// The files that triggered it.
    pub(crate) fn files(&self) -> Vec<String> {
        let events = self
            .0
            .iter()
            .filter(|event| event["event"] == "files-changed");
        let files = events.flat_map(|event| event["files"].as_array().expect("files").clone());
        files
            .map(|file| file.as_str().expect("a path").to_owned())
            .collect()
    }
}

/// Three images: `app` on `base`, and an independent `other`; each copies a directory with its name.
pub(crate) const STACK: &str = r#"image "base" { base-image "scratch"; copy "base" to="/base" }
image "app" { base-image image="base"; copy "app" to="/app"; commands "true" }
image "other" { base-image "scratch"; copy "other" to="/other" }
"#;

pub(crate) fn stack() -> Sandbox {
    Sandbox::with(&[
        ("imgspec.kdl", STACK),
        ("base/x", "1"),
        ("app/x", "1"),
        ("other/x", "1"),
    ])
}

/// Asserts that everything is as a fresh plan requires.
#[track_caller]
pub(crate) fn all_fresh(sandbox: &Sandbox) {
    let plan = sandbox.plan(&[]);
    assert!(plan.iter().all(|line| line.ends_with(" fresh")), "{plan:?}");
}
