//! The timeline of a run in the Trace Event Format, which Perfetto and Chrome itself open.
//!
//! A track for each worker, and one of its own for the critical path: flows would have to be followed from span to span,
//! while a track shows at a glance where the time went. Times are microseconds since the start of the run.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::drawing::Drawing;
use crate::run::History;
use crate::run::history::{ImageState, Span};

/// The one process of a trace.
const PROCESS: u32 = 1;

/// A trace as a whole.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    trace_events: Vec<TraceEvent<'a>>,
    display_time_unit: &'static str,
    other_data: Value,
}

#[derive(Serialize)]
struct TraceEvent<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<ImageState>,
    /// `M` describes the process or a track; `X` is a span.
    ph: char,
    pid: u32,
    tid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    args: Value,
}

/// The history of a run as a trace. `made` is when the run started, in RFC 3339 format.
pub fn trace(history: &History, drawing: &Drawing, made: &str) -> String {
    let critical = drawing.critical_path_of(history);
    let mut events = vec![about("process_name", 0, json!({ "name": "imgspec" }))];
    let path = along(&critical, history);
    if !path.is_empty() {
        events.extend(track(0, "critical path"));
        events.extend(path.into_iter().map(|span| event(history, span, 0)));
    }
    let workers = history.spans.iter().map(|span| span.worker + 1).max();
    for worker in 1..=workers.unwrap_or(0) {
        events.extend(track(worker, &format!("worker {worker}")));
    }
    let spans = history.spans.iter();
    events.extend(spans.map(|span| event(history, span, span.worker + 1)));
    let trace = Trace {
        trace_events: events,
        display_time_unit: "ms",
        other_data: json!({
            "program": format!("imgspec {}", env!("CARGO_PKG_VERSION")),
            "started": made,
            "critical-path": critical,
        }),
    };
    serde_json::to_string(&trace).expect("texts and numbers are JSON") + "\n"
}

/// The spans of the critical path, one after the other: of each image the last build, and its push unless images that need
/// it are built meanwhile. Those of one track must not overlap.
fn along<'a>(path: &[String], history: &'a History) -> Vec<&'a Span> {
    let builds = history.spans.iter();
    let builds = builds.filter(|span| span.state != ImageState::Pushed);
    let last: BTreeMap<&str, f64> = builds
        .map(|span| (span.image.as_str(), span.start))
        .collect();
    let is_last = |span: &&Span| {
        last.get(span.image.as_str())
            .is_none_or(|last| span.start >= *last)
    };
    let spans = history.spans.iter().filter(is_last);
    let mut spans: Vec<&Span> = spans.filter(|span| path.contains(&span.image)).collect();
    spans.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut free = 0.0;
    spans.retain(|span| {
        let follows = span.start >= free;
        if follows {
            free = span.end.unwrap_or(history.at);
        }
        follows
    });
    spans
}

fn about(name: &'static str, tid: usize, args: Value) -> TraceEvent<'static> {
    TraceEvent {
        name,
        cat: None,
        ph: 'M',
        pid: PROCESS,
        tid,
        ts: None,
        dur: None,
        args,
    }
}

fn track(tid: usize, name: &str) -> [TraceEvent<'static>; 2] {
    [
        about("thread_name", tid, json!({ "name": name })),
        about("thread_sort_index", tid, json!({ "sort_index": tid })),
    ]
}

fn event<'a>(history: &History, span: &'a Span, tid: usize) -> TraceEvent<'a> {
    let start = micros(span.start);
    let end = micros(span.end.unwrap_or(history.at));
    let row = history.images.get(&span.image);
    let mut args = json!({ "state": span.state });
    if let Some(reference) = row.and_then(|row| row.reference.as_ref()) {
        args["reference"] = json!(reference);
    }
    if !span.reasons.is_empty() {
        args["reasons"] = json!(span.reasons);
    }
    if let Some(node) = &span.node {
        args["node"] = json!(node);
    }
    if span.state == ImageState::Failed
        && let Some(error) = row.and_then(|row| row.note.as_ref())
    {
        args["error"] = json!(error);
    }
    TraceEvent {
        name: &span.image,
        cat: Some(span.state),
        ph: 'X',
        pid: PROCESS,
        tid,
        ts: Some(start),
        dur: Some(end.saturating_sub(start)),
        args,
    }
}

/// The time that a trace counts in; 0 for what is not a time.
fn micros(seconds: f64) -> u64 {
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Event;
    use crate::view::drawing::tests::drawing;

    fn started(image: &str) -> Event {
        Event::ImageStarted {
            image: image.into(),
            reference: format!("r/{image}:1"),
            backend: "fake".into(),
            reasons: vec!["never built".into()],
        }
    }

    fn built(image: &str, seconds: f64) -> Event {
        Event::ImageBuilt {
            image: image.into(),
            reference: format!("r/{image}:1"),
            digest: "sha256:1".into(),
            backend: "fake".into(),
            seconds,
        }
    }

    fn history(events: &[(f64, Event)]) -> History {
        let mut history = History::default();
        for (at, event) in events {
            history.hear(*at, event);
        }
        history
    }

    fn read(history: &History, graph: &str) -> Value {
        let text = trace(history, &drawing(graph), "2026-01-02T03:04:05Z");
        serde_json::from_str(&text).unwrap()
    }

    /// `track name start end` of each span.
    fn spans(trace: &Value) -> Vec<String> {
        let events = trace["traceEvents"].as_array().unwrap().iter();
        let spans = events.filter(|event| event["ph"] == "X");
        spans
            .map(|span| {
                let (start, time) = (span["ts"].as_u64().unwrap(), span["dur"].as_u64().unwrap());
                let (tid, name) = (&span["tid"], span["name"].as_str().unwrap());
                format!("{tid} {name} {start} {}", start + time)
            })
            .collect()
    }

    #[test]
    fn each_worker_has_a_track_and_the_critical_path_another() {
        let failed = Event::ImageFailed {
            image: "app".into(),
            error: "told to \"fail\"".into(),
            place: None,
            log: None,
            tail: Vec::new(),
            seconds: 1.0,
        };
        let history = history(&[
            (0.0, started("os")),
            (0.5, started("docs")),
            (2.0, built("os", 2.0)),
            (2.25, started("app")),
            (3.0, built("docs", 2.5)),
            (4.0, failed),
        ]);
        let trace = read(&history, "os docs app:os");
        assert_eq!(
            spans(&trace),
            [
                "0 os 0 2000000",
                "0 app 2250000 4000000",
                "1 os 0 2000000",
                "2 docs 500000 3000000",
                "1 app 2250000 4000000",
            ]
        );
        let events = trace["traceEvents"].as_array().unwrap();
        let names: Vec<&Value> = events
            .iter()
            .filter(|event| event["ph"] == "M" && event["name"] != "thread_sort_index")
            .map(|event| &event["args"]["name"])
            .collect();
        assert_eq!(names, ["imgspec", "critical path", "worker 1", "worker 2"]);
        let last = events.last().unwrap();
        assert_eq!(
            last["args"],
            json!({ "state": "failed", "reference": "r/app:1", "reasons": ["never built"], "error": "told to \"fail\"" })
        );
        assert_eq!(trace["otherData"]["critical-path"], json!(["os", "app"]));
    }

    #[test]
    fn what_still_runs_ends_with_the_trace_and_a_push_beside_the_path_is_not_part_of_it() {
        let pushed = Event::ImagePushed {
            image: "os".into(),
            reference: "r/os:1".into(),
            seconds: 1.5,
        };
        let history = history(&[
            (0.0, started("os")),
            (1.0, built("os", 1.0)),
            (1.0, started("app")),
            (3.0, pushed),
            (
                3.5,
                Event::ImageCached {
                    image: "app".into(),
                    name: "step".into(),
                },
            ),
        ]);
        assert_eq!(
            spans(&read(&history, "os app:os")),
            [
                "0 os 0 1000000",
                "0 app 1000000 3500000",
                "1 os 0 1000000",
                "1 app 1000000 3500000",
                "2 os 1500000 3000000",
            ]
        );
    }

    #[test]
    fn only_the_last_builds_are_on_the_path() {
        let history = history(&[
            (0.0, started("os")),
            (1.0, built("os", 1.0)),
            (1.0, started("app")),
            (2.0, built("app", 1.0)),
            (5.0, started("app")),
            (6.0, built("app", 1.0)),
        ]);
        let spans = spans(&read(&history, "os app:os"));
        assert_eq!(spans[..2], ["0 os 0 1000000", "0 app 5000000 6000000"]);
    }

    #[test]
    fn a_run_of_nothing_is_a_trace_too() {
        let trace = read(&History::default(), "");
        assert_eq!(spans(&trace), Vec::<String>::new());
        assert_eq!(trace["traceEvents"].as_array().unwrap().len(), 1);
    }
}
