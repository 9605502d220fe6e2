//! Streams and events for the tests of all reporters.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;
use crate::run::event::Event;

/// A stream whose content tests can read.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A pipe without a reader; counts the writes.
#[derive(Clone, Default)]
pub(crate) struct Closed(pub(crate) Arc<Mutex<usize>>);

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        *self.0.lock().unwrap() += 1;
        Err(std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn play(report: &mut dyn Report, events: &[Event]) {
    for event in events {
        report.event(event);
    }
}

/// One run with every kind of event.
pub(crate) fn story() -> Vec<Event> {
    vec![
        started(4, 2),
        fresh("os"),
        fresh("tools"),
        begun("python"),
        Event::ImagePlaced {
            image: "python".into(),
            node: "tcp://builder:1234".into(),
        },
        step("python", 1, 2, "apt-get install git"),
        log("python", "Get:1 \u{1b}[32mgit\u{1b}[0m"),
        Event::ImageCached {
            image: "python".into(),
            name: "copy src".into(),
        },
        built("python", 3.24),
        Event::ImagePushed {
            image: "python".into(),
            reference: reference("python"),
            seconds: 0.8,
        },
        Event::ImageTagged {
            image: "python".into(),
            names: vec!["ghcr.io/acme/python:latest".into()],
            seconds: None,
        },
        Event::ImagePulled {
            image: "tools".into(),
            reference: reference("tools"),
            seconds: 1.5,
        },
        begun("train"),
        Event::ImageRetry {
            image: "train".into(),
            attempt: 2,
            of: 4,
            wait_ms: 1500,
            why: "the registry answered 503".into(),
        },
        Event::Warning {
            message: "the disk is nearly full".into(),
        },
        Event::Waiting {
            whom: "registry `ghcr.io`".into(),
            seconds: 10.0,
        },
        failed("train"),
        Event::ImageSkipped {
            image: "serve".into(),
            because: vec!["train".into()],
        },
        Event::ImageCancelled {
            image: "docs".into(),
        },
        Event::RunFinished {
            built: 1,
            pushed: 1,
            fresh: 2,
            failed: vec!["train".into()],
            skipped: vec!["serve".into()],
            cancelled: vec!["docs".into()],
            seconds: 12.34,
        },
    ]
}

/// Every event that only a watch emits.
pub(crate) fn watch_story() -> Vec<Event> {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let hook = || "on-success".to_owned();
    vec![
        Event::WatchStarted {
            images: 3,
            folders: 12,
            files: 40,
            poll: None,
        },
        Event::FilesChanged {
            files: names(&["src/train.py"]),
            count: 1,
            images: names(&["train"]),
            build: 1,
        },
        Event::GraphChanged {
            images: 4,
            added: names(&["docs"]),
            removed: Vec::new(),
        },
        Event::ManifestsBroken {
            mistakes: serde_json::json!([]),
            shown: Arc::default(),
        },
        Event::ManifestsMended,
        Event::ImageSuperseded {
            image: "train".into(),
        },
        Event::ImageWaiting {
            image: "serve".into(),
            because: names(&["train"]),
        },
        Event::WatchHeld {
            why: "git is running; waiting for it to finish".into(),
        },
        Event::PageServed {
            url: "http://127.0.0.1:40001/0123456789abcdef0123456789abcdef/".into(),
        },
        Event::WatchWaiting {
            failed: names(&["train"]),
            waiting: names(&["serve"]),
        },
        Event::WatchPaused { paused: true },
        Event::HookStarted { hook: hook() },
        Event::HookLog {
            hook: hook(),
            line: "restarted".into(),
        },
        Event::HookEnded {
            hook: hook(),
            error: None,
            seconds: 0.1,
        },
        Event::WatchEnded { waves: 3 },
    ]
}

pub(crate) fn reference(image: &str) -> String {
    format!("ghcr.io/acme/{image}:0123456789abcdef0123456789abcdef")
}

pub(crate) fn started(build: usize, fresh: usize) -> Event {
    Event::RunStarted {
        build,
        fresh,
        jobs: 2,
    }
}

pub(crate) fn fresh(image: &str) -> Event {
    Event::ImageFresh {
        image: image.into(),
        reference: reference(image),
    }
}

pub(crate) fn begun(image: &str) -> Event {
    Event::ImageStarted {
        image: image.into(),
        reference: reference(image),
        backend: "docker".into(),
        reasons: vec!["`src/train.py` changed".into()],
    }
}

pub(crate) fn step(image: &str, step: usize, of: usize, name: &str) -> Event {
    Event::ImageStep {
        image: image.into(),
        step,
        of,
        name: name.into(),
    }
}

pub(crate) fn log(image: &str, line: &str) -> Event {
    Event::ImageLog {
        image: image.into(),
        line: line.into(),
    }
}

pub(crate) fn built(image: &str, seconds: f64) -> Event {
    Event::ImageBuilt {
        image: image.into(),
        reference: reference(image),
        digest: "sha256:00".into(),
        backend: "docker".into(),
        seconds,
    }
}

pub(crate) fn failed(image: &str) -> Event {
    Event::ImageFailed {
        image: image.into(),
        error: "`python -m compileall` ended with exit code 1".into(),
        place: Some("imgspec.kdl:12:5".into()),
        log: Some(format!(".imgspec/logs/{image}.log")),
        tail: vec![
            "Compiling 'main.py'...".into(),
            "\u{1b}[2J\u{1b}]0;owned\u{7}SyntaxError: invalid syntax".into(),
        ],
        seconds: 1.2,
    }
}

#[test]
fn auto_is_live_only_on_a_terminal_that_can_move_its_cursor() {
    let auto = |terminal, term| resolved(Progress::Auto, terminal, term);
    assert_eq!(auto(true, Some("xterm")), Progress::Tty);
    assert_eq!(auto(true, None), Progress::Tty);
    assert_eq!(auto(true, Some("dumb")), Progress::Plain);
    assert_eq!(auto(false, Some("xterm")), Progress::Plain);
    assert_eq!(resolved(Progress::Tty, false, None), Progress::Tty);
    assert_eq!(resolved(Progress::Json, true, None), Progress::Json);
}
