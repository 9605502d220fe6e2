//! The terminal reporter against an emulated terminal.

use std::sync::Mutex;

use indicatif::InMemoryTerm;

use super::*;
use crate::report::tests::{begun, fresh, log, play, started, step, story};

/// A terminal in memory, with a clock controlled by the test.
struct Stage {
    term: InMemoryTerm,
    report: Terminal,
    now: Arc<Mutex<f64>>,
}

impl Stage {
    fn new(rows: u16, columns: u16, settings: Settings) -> Self {
        let term = InMemoryTerm::new(rows, columns);
        let now = Arc::new(Mutex::new(0.0));
        let clock = Arc::clone(&now);
        let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
        let size: Size = Arc::new(move || (columns, rows));
        let clock: Clock = Arc::new(move || *clock.lock().unwrap());
        Self {
            term,
            report: Terminal::new(target, size, clock, settings),
            now,
        }
    }

    fn play(&mut self, events: &[Event]) -> &mut Self {
        play(&mut self.report, events);
        self
    }

    fn at(&mut self, now: f64) -> String {
        *self.now.lock().unwrap() = now;
        self.report.bar.force_draw();
        self.term.contents()
    }
}

fn verbose() -> Settings {
    Settings {
        verbosity: Verbosity::Verbose,
        ..Settings::default()
    }
}

#[test]
fn a_whole_run_leaves_what_is_over_and_the_summary() {
    let mut stage = Stage::new(30, 100, Settings::default());
    stage.play(&story());
    stage.report.finish();
    insta::assert_snapshot!(stage.term.contents(), @r#"
        = 2 images fresh: os, tools
        ✔ python    built     3.2s  ghcr.io/acme/python:0123456789ab…
        ↑ python    pushed    0.8s  ghcr.io/acme/python:0123456789ab…
        ✔ python    tagged          ghcr.io/acme/python:latest
        ↓ tools     pulled    1.5s  ghcr.io/acme/tools:0123456789ab…
        ↻ train     attempt 2 of 4 in 1.5s: the registry answered 503
        warning: the disk is nearly full
        waiting for registry `ghcr.io` (10 s at most)
        ✘ train     failed    1.2s  `python -m compileall` ended with exit code 1
          at imgspec.kdl:12:5
          | Compiling 'main.py'...
          | SyntaxError: invalid syntax
          full log: .imgspec/logs/train.log
        ⊘ serve     skipped because `train` failed
        ■ docs      cancelled
        built 1, pushed 1, fresh 2, failed 1 (train), skipped 1, cancelled 1 in 12.3s
        "#);
}

#[test]
fn running_images_stay_below_what_is_over() {
    let mut stage = Stage::new(30, 100, Settings::default());
    stage
        .play(&story()[..10])
        .play(&[begun("train"), step("train", 3, 7, "uv pip install torch")]);
    insta::assert_snapshot!(stage.at(61.0), @r#"
        = 2 images fresh: os, tools
        ✔ python    built     3.2s  ghcr.io/acme/python:0123456789ab…
        ↑ python    pushed    0.8s  ghcr.io/acme/python:0123456789ab…
        ⠋ train     3/7     1m 01s  uv pip install torch
        ━━━━━─────────────── 1/4, 1 pushed  1m 01s
        "#);
}

#[test]
fn the_seconds_go_on_between_events() {
    let mut stage = Stage::new(10, 60, Settings::default());
    stage.play(&[started(1, 0), begun("train")]);
    assert!(stage.at(1.0).contains(" 1.0s"));
    assert!(stage.at(2.5).contains(" 2.5s"));
}

#[test]
fn the_node_stands_behind_what_it_does() {
    let mut stage = Stage::new(10, 80, Settings::default());
    let placed = Event::ImagePlaced {
        image: "train".into(),
        node: "tcp://builder:1234".into(),
    };
    stage.play(&[
        started(1, 0),
        begun("train"),
        placed,
        step("train", 3, 7, "uv pip install"),
    ]);
    assert!(
        stage
            .at(1.0)
            .contains("uv pip install (tcp://builder:1234)")
    );
}

#[test]
fn verbose_shows_output_above_and_whole_references() {
    let mut stage = Stage::new(30, 100, verbose());
    stage.play(&story()[..9]);
    insta::assert_snapshot!(stage.at(4.0), @r#"
        = os        fresh           ghcr.io/acme/os:0123456789abcdef0123456789abcdef
        = tools     fresh           ghcr.io/acme/tools:0123456789abcdef0123456789abcdef
        python | Get:1 git
        python | cached: copy src
        ✔ python    built     3.2s  ghcr.io/acme/python:0123456789abcdef0123456789abcdef
        ━━━━━─────────────── 1/4  4.0s
        "#);
}

#[test]
fn forty_fresh_images_are_one_line() {
    let mut stage = Stage::new(30, 80, Settings::default());
    let images: Vec<Event> = (0..40).map(|at| fresh(&format!("i{at}"))).collect();
    stage.play(&[started(0, 40)]).play(&images);
    stage.report.finish();
    assert_eq!(stage.term.contents(), "= 40 images fresh");
}

#[test]
fn many_running_images_never_fill_the_terminal() {
    let mut stage = Stage::new(8, 40, Settings::default());
    let images: Vec<Event> = (0..40).map(|at| begun(&format!("i{at}"))).collect();
    stage.play(&[started(40, 0)]).play(&images);
    let text = stage.at(1.0);
    assert_eq!(text.lines().count(), 7);
    assert!(text.contains("+ 35 more running"), "{text}");
}

#[test]
fn a_hostile_log_cannot_touch_the_terminal() {
    let mut stage = Stage::new(30, 80, verbose());
    stage.play(&[
        started(1, 0),
        begun("a"),
        log("a", "one"),
        log(
            "a",
            "\u{1b}[2J\u{1b}[H\u{1b}]0;owned\u{7}\u{9b}2Jtwo\u{8}\u{8}",
        ),
        log("a", "10%\r20%\r\u{1b}[Kdone"),
    ]);
    insta::assert_snapshot!(stage.at(0.0), @r#"
        a | one
        a | two??
        a | done
        ⠋ a                   0.0s
        ──────────────────── 0/1  0.0s
        "#);
}

#[test]
fn colours_come_only_when_asked_for() {
    let painted = |color| {
        let settings = Settings {
            color,
            ..Settings::default()
        };
        let mut stage = Stage::new(30, 100, settings);
        stage.play(&story());
        let bytes = stage.term.contents_formatted();
        String::from_utf8_lossy(&bytes).contains("\u{1b}[3")
    };
    assert!(painted(true));
    assert!(!painted(false));
}

#[test]
fn finishing_twice_or_without_a_run_is_harmless() {
    let mut stage = Stage::new(10, 60, Settings::default());
    stage.play(&[started(2, 0), begun("a")]);
    stage.report.finish();
    stage.report.finish();
    assert_eq!(stage.term.contents(), "");
}
