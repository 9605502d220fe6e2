//! Events → what people and programs see on stderr.
//!
//! Knows events, not the run: it is told what happened and never asks. The choice made: one trait with three
//! implementations (a live terminal, plain lines, JSON lines), because off a terminal indicatif prints nothing at all. All
//! of it goes to stderr, JSON too: stdout is for results. A closed pipe ends the output, never the run.

pub mod clean;
pub mod diagnostics;
pub mod json;
pub mod line;
pub mod plain;
pub mod story;
pub mod terminal;
pub mod watch;
pub mod words;

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Instant;

use crate::run::event::Event;

/// Shows what happens in a run.
pub trait Report: Send {
    /// Takes one event in, in the order in which they happened.
    fn event(&mut self, event: &Event);

    /// Leaves the screen tidy; nothing comes after it. May be called without a [`Event::RunFinished`] before it.
    fn finish(&mut self);
}

/// How progress is shown, as `--progress` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// [`Progress::Tty`] when stderr is a terminal that can move its cursor, else [`Progress::Plain`].
    #[default]
    Auto,
    /// Live lines for running images, a total, finished ones scrolled away.
    Tty,
    /// One line for each event that matters, without control characters.
    Plain,
    /// One JSON object for each event, a line each.
    Json,
}

/// How much is shown, as `-q` and `-v` say. JSON always has everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Verbosity {
    /// Failures only.
    Quiet,
    /// What happens to images.
    #[default]
    Normal,
    /// Also every line that a build prints, cached steps, whole references, and each fresh image.
    Verbose,
}

/// What a reporter has to know beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Settings {
    /// How progress is shown.
    pub progress: Progress,
    /// How much is shown.
    pub verbosity: Verbosity,
    /// Whether to use colours; the caller knows `--color`, `NO_COLOR` and whether stderr is a terminal.
    pub color: bool,
    /// How many seconds the plan expects the run to take.
    pub predicted: Option<f64>,
    /// Whether the keys of a watch are heard.
    pub keys: bool,
    /// How many columns the widest name takes that is known to come; see [`widest`].
    pub widest: usize,
}

/// How many columns the widest of these names takes.
#[must_use]
pub fn widest<'a>(names: impl IntoIterator<Item = &'a str>) -> usize {
    names.into_iter().map(line::columns).max().unwrap_or(0)
}

/// Seconds since a moment of its own choice; tests give one that stands still.
pub type Clock = Arc<dyn Fn() -> f64 + Send + Sync>;

/// The reporter that these settings ask for, on stderr.
#[must_use]
pub fn reporter(settings: Settings) -> Box<dyn Report> {
    let term = std::env::var("TERM").ok();
    let progress = settled(
        settings.progress,
        std::io::stderr().is_terminal(),
        term.as_deref(),
    );
    match (progress, settings.verbosity) {
        (Progress::Json, _) => Box::new(json::Json::new(Box::new(std::io::stderr()))),
        (Progress::Tty, Verbosity::Normal | Verbosity::Verbose) => Box::new(
            terminal::Terminal::new(terminal::target(), terminal::size(), wall_clock(), settings)
                .ticking(),
        ),
        (_, verbosity) => Box::new(
            plain::Plain::new(Box::new(std::io::stderr()), verbosity).colored(settings.color),
        ),
    }
}

/// Whether progress is live here.
#[must_use]
pub fn is_live(progress: Progress) -> bool {
    let term = std::env::var("TERM").ok();
    settled(progress, std::io::stderr().is_terminal(), term.as_deref()) == Progress::Tty
}

/// What `auto` means here; a dumb terminal cannot move its cursor.
fn settled(asked: Progress, is_terminal: bool, term: Option<&str>) -> Progress {
    match asked {
        Progress::Auto if is_terminal && term != Some("dumb") => Progress::Tty,
        Progress::Auto => Progress::Plain,
        asked => asked,
    }
}

fn wall_clock() -> Clock {
    let start = Instant::now();
    Arc::new(move || start.elapsed().as_secs_f64())
}

/// Lines to a stream that may close at any moment.
struct Output(Option<Box<dyn Write + Send>>);

impl Output {
    fn new(stream: Box<dyn Write + Send>) -> Self {
        Self(Some(stream))
    }

    /// Writes a line; the first failure is the last try.
    fn line(&mut self, line: &str) {
        let Some(stream) = &mut self.0 else { return };
        // One write a line, so that lines of several processes do not mix.
        let written = stream
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| stream.flush());
        if written.is_err() {
            self.0 = None;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A stream that tests can read.
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

    /// A pipe whose reader has gone, which counts the tries.
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

    /// One run with everything in it.
    pub(crate) fn story() -> Vec<Event> {
        vec![
            started(4, 2),
            fresh("os"),
            fresh("tools"),
            begun("python"),
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

    /// Everything that only a watch tells.
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
                why: "git is at work: waiting for its end".into(),
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
        let auto = |terminal, term| settled(Progress::Auto, terminal, term);
        assert_eq!(auto(true, Some("xterm")), Progress::Tty);
        assert_eq!(auto(true, None), Progress::Tty);
        assert_eq!(auto(true, Some("dumb")), Progress::Plain);
        assert_eq!(auto(false, Some("xterm")), Progress::Plain);
        assert_eq!(settled(Progress::Tty, false, None), Progress::Tty);
        assert_eq!(settled(Progress::Json, true, None), Progress::Json);
    }

    #[test]
    fn a_closed_pipe_is_tried_once_and_never_a_failure() {
        let closed = Closed::default();
        let mut output = Output::new(Box::new(closed.clone()));
        output.line("a");
        output.line("b");
        assert_eq!(*closed.0.lock().unwrap(), 1);
    }
}
