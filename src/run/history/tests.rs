use super::*;

fn text(name: &str) -> String {
    name.to_owned()
}

fn started(image: &str) -> Event {
    Event::ImageStarted {
        image: text(image),
        reference: format!("r/{image}:1"),
        backend: text("fake"),
        reasons: vec![text("never built")],
    }
}

fn built(image: &str, seconds: f64) -> Event {
    Event::ImageBuilt {
        image: text(image),
        reference: format!("r/{image}:1"),
        digest: text("sha256:0"),
        backend: text("fake"),
        seconds,
    }
}

fn pushed(image: &str, seconds: f64) -> Event {
    Event::ImagePushed {
        image: text(image),
        reference: format!("r/{image}:1"),
        seconds,
    }
}

fn failed(image: &str) -> Event {
    Event::ImageFailed {
        image: text(image),
        error: text("no space left"),
        place: None,
        log: Some(format!(".imgspec/logs/{image}.log")),
        tail: vec![text("last line")],
        seconds: 1.0,
    }
}

/// Folds events, one second after another.
fn history(events: &[Event]) -> History {
    let mut history = History::default();
    for (at, event) in (0_u32..).zip(events) {
        history.hear(f64::from(at), event);
    }
    history
}

fn states(history: &History) -> Vec<(&str, ImageState)> {
    let images = history.images.iter();
    images
        .map(|(image, row)| (image.as_str(), row.state))
        .collect()
}

/// Image, worker, start and end of each span.
fn spans(history: &History) -> Vec<(&str, usize, f64, Option<f64>)> {
    let spans = history.spans.iter();
    spans
        .map(|span| (span.image.as_str(), span.worker, span.start, span.end))
        .collect()
}

#[test]
fn a_build_has_rows_and_spans() {
    let history = history(&[
        started("a"),
        started("b"),
        built("a", 2.0),
        started("c"),
        failed("b"),
        Event::ImageSkipped {
            image: text("d"),
            because: vec![text("b")],
        },
        built("c", 3.0),
        pushed("c", 0.5),
    ]);
    assert_eq!(
        states(&history),
        [
            ("a", ImageState::Built),
            ("b", ImageState::Failed),
            ("c", ImageState::Pushed),
            ("d", ImageState::Skipped)
        ]
    );
    assert_eq!(
        spans(&history),
        [
            ("a", 0, 0.0, Some(2.0)),
            ("b", 1, 1.0, Some(4.0)),
            ("c", 0, 3.0, Some(6.0)),
            ("c", 0, 6.5, Some(7.0))
        ]
    );
    let row = &history.images["b"];
    assert_eq!(row.note.as_deref(), Some("no space left"));
    assert_eq!(row.lines, ["last line"]);
    assert_eq!(
        history.images["d"].note.as_deref(),
        Some("because b failed")
    );
    assert_eq!(history.images["c"].seconds, Some(3.0));
}

#[test]
fn an_image_is_on_the_node_that_builds_it_last() {
    let on = |node: &str| Event::ImagePlaced {
        image: text("a"),
        node: text(node),
    };
    let history = history(&[started("a"), on("x"), on("y"), built("a", 2.0)]);
    assert_eq!(history.images["a"].node.as_deref(), Some("y"));
    assert_eq!(history.spans[0].node.as_deref(), Some("y"));
}

#[test]
fn a_second_build_starts_afresh_but_remembers_how_long_the_first_took() {
    let log = Event::ImageLog {
        image: text("a"),
        line: text("old"),
    };
    let step = Event::ImageStep {
        image: text("a"),
        step: 1,
        of: 3,
        name: text("RUN x"),
    };
    let history = history(&[started("a"), log, built("a", 2.0), started("a"), step]);
    let row = &history.images["a"];
    assert_eq!(row.state, ImageState::Running);
    assert!(row.lines.is_empty());
    assert_eq!(row.seconds, Some(2.0));
    assert_eq!(row.step.as_ref().unwrap().number, 1);
    assert_eq!(
        spans(&history),
        [("a", 0, 0.0, Some(2.0)), ("a", 0, 3.0, None)]
    );
}

#[test]
fn what_a_watch_only_suspected_is_fresh_when_it_waits() {
    let changed = |images: &[&str]| Event::FilesChanged {
        files: vec![text("x")],
        count: 1,
        images: images.iter().copied().map(text).collect(),
        build: images.len(),
    };
    let superseded = Event::ImageSuperseded { image: text("a") };
    let waits = Event::WatchWaiting {
        failed: vec![text("b")],
        waiting: vec![text("c")],
    };
    let mut history = history(&[
        started("a"),
        failed("b"),
        superseded,
        changed(&["a", "c", "d"]),
    ]);
    assert_eq!(history.images["a"].state, ImageState::Waiting);
    assert_eq!(history.spans[0].state, ImageState::Waiting);
    history.hear(5.0, &waits);
    assert_eq!(history.activity, Activity::Waiting);
    assert_eq!(
        states(&history),
        [
            ("a", ImageState::Fresh),
            ("b", ImageState::Failed),
            ("c", ImageState::Waiting),
            ("d", ImageState::Fresh)
        ]
    );
}

#[test]
fn lists_have_an_end() {
    let mut history = History::default();
    history.hear(0.0, &started("a"));
    for number in 0..1000_u32 {
        let line = number.to_string();
        let log = Event::ImageLog {
            image: text("a"),
            line: format!("\u{1b}[1m{line} https://me:secret@host/"),
        };
        assert_eq!(history.hear(1.0, &log), Change::Line("a"));
        let message = line.clone();
        history.hear(1.0, &Event::Warning { message });
    }
    assert_eq!(history.images["a"].lines.len(), LINES);
    assert_eq!(
        history.images["a"].lines.back().unwrap(),
        "999 https://host/"
    );
    assert_eq!(history.messages.len(), MESSAGES);
}

#[test]
fn the_critical_path_goes_through_what_each_image_waited_for() {
    let history = history(&[
        started("slow"),
        started("quick"),
        built("quick", 1.0),
        built("slow", 3.0),
        started("app"),
        started("other"),
        built("other", 1.0),
        built("app", 2.0),
    ]);
    let needs = |image: &str| match image {
        "app" => vec!["quick", "slow", "fresh"],
        "other" => vec!["slow"],
        _ => Vec::new(),
    };
    assert_eq!(history.critical_path(needs), ["slow", "app"]);
    assert!(History::default().critical_path(needs).is_empty());
}

#[test]
fn nothing_that_is_told_has_credentials() {
    let url = "https://ana:secret@index.acme/simple";
    let image = || text("app");
    let events = [
        Event::ImageStarted {
            image: image(),
            reference: text("r/app:1"),
            backend: text("fake"),
            reasons: vec![format!("commands[0] changed: curl {url}")],
        },
        Event::ImageStep {
            image: image(),
            step: 1,
            of: 2,
            name: format!("commands: curl {url}"),
        },
        Event::ImageRetry {
            image: image(),
            attempt: 2,
            of: 3,
            wait_ms: 1,
            why: format!("{url} does not answer"),
        },
        Event::ImageLog {
            image: image(),
            line: format!("Looking in {url}"),
        },
        Event::Warning {
            message: format!("{url} is slow"),
        },
        Event::ImageFailed {
            image: image(),
            error: format!("`curl {url}` failed"),
            place: None,
            log: None,
            tail: Vec::new(),
            seconds: 1.0,
        },
    ];
    let mut history = History::default();
    for event in &events {
        history.hear(1.0, event);
        let told = serde_json::to_string(&history).unwrap();
        assert!(!told.contains("secret"), "{event:?}: {told}");
    }
    let told = serde_json::to_string(&history).unwrap();
    assert!(
        told.matches("https://index.acme/simple").count() >= 4,
        "{told}"
    );
}

#[test]
fn nobody_waits_for_a_push() {
    let history = history(&[
        started("quick"),
        started("slow"),
        built("quick", 2.0),
        built("slow", 2.0),
        started("app"),
        pushed("quick", 2.5),
        built("app", 2.0),
    ]);
    let needs = |image: &str| match image {
        "app" => vec!["quick", "slow"],
        _ => Vec::new(),
    };
    assert_eq!(history.critical_path(needs), ["slow", "app"]);
}

#[test]
fn a_watch_with_broken_manifests_waits_and_says_what_is_wrong() {
    let broken = Event::ManifestsBroken {
        mistakes: serde_json::Value::Null,
        shown: std::sync::Arc::new((
            vec![crate::diagnostic::Diagnostic::error(
                "syntax",
                "a block is never closed",
            )],
            crate::diagnostic::Sources::default(),
        )),
    };
    let mut history = history(std::slice::from_ref(&broken));
    assert_eq!(history.activity, Activity::Waiting);
    let text = "the manifests have errors: a block is never closed";
    assert_eq!(history.messages[0].text, text);
    let begins = Event::RunStarted {
        build: 1,
        fresh: 0,
        jobs: 2,
    };
    history.hear(1.0, &begins);
    assert_eq!((history.activity, history.jobs), (Activity::Building, 2));
    history.hear(2.0, &started("a"));
    history.hear(3.0, &broken);
    assert_eq!(
        history.activity,
        Activity::Building,
        "what was valid is still built"
    );
}

#[test]
fn a_resumed_watch_waits_until_something_is_built() {
    let paused = |paused| Event::WatchPaused { paused };
    let mut history = history(&[started("a"), paused(true), built("a", 1.0)]);
    assert_eq!(history.activity, Activity::Paused);
    history.hear(3.0, &paused(false));
    assert_eq!(history.activity, Activity::Waiting);
    assert_eq!(history.hear(4.0, &started("a")), Change::All);
    assert_eq!(history.activity, Activity::Building);
    assert_eq!(history.hear(5.0, &started("b")), Change::Image("b"));
}

#[test]
fn what_a_hook_prints_changes_nothing() {
    let log = Event::HookLog {
        hook: text("on-success"),
        line: text("restarted"),
    };
    let mut history = history(&[started("a")]);
    assert_eq!(history.hear(1.0, &log), Change::Nothing);
}
