//! Events as JSON lines, for programs.
//!
//! Each line is the event's own serialization (docs/json.md), regardless of `-q` and `-v`. It goes to stderr like all
//! progress: stdout is for the command's result.

use std::io::Write;

use super::output::{Output, Report};
use crate::run::event::Event;

/// Writes each event as one line of JSON.
pub struct Json(Output);

impl Json {
    /// Creates a reporter that writes to this stream.
    pub fn new(stream: Box<dyn Write + Send>) -> Self {
        Self(Output::new(stream))
    }
}

impl Report for Json {
    fn event(&mut self, event: &Event) {
        let line = serde_json::to_string(event).expect("events hold only text and numbers");
        self.0.line(&line);
    }

    fn finish(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{Closed, Shared, log, play, story, watch_story};

    fn shown(events: &[Event]) -> String {
        let stream = Shared::default();
        let mut json = Json::new(Box::new(stream.clone()));
        play(&mut json, events);
        json.finish();
        stream.text()
    }

    #[test]
    fn each_event_is_one_line_of_its_own_json() {
        let text = shown(&story());
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let events: Vec<serde_json::Value> = story()
            .iter()
            .map(|event| serde_json::to_value(event).unwrap())
            .collect();
        assert_eq!(lines, events);
    }

    #[test]
    fn the_bytes_are_those_that_docs_json_md_promises() {
        insta::assert_snapshot!(shown(&story()));
    }

    #[test]
    fn docs_json_md_shows_each_event_with_just_its_fields() {
        let docs: Vec<serde_json::Value> = include_str!("../../docs/json.md")
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|value: &serde_json::Value| value.is_object())
            .collect();
        let fields = |value: &serde_json::Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        for event in story().into_iter().chain(watch_story()) {
            let value = serde_json::to_value(&event).unwrap();
            let shown = docs.iter().find(|doc| doc["event"] == value["event"]);
            assert_eq!(shown.map(fields), Some(fields(&value)), "{event:?}");
        }
    }

    #[test]
    fn control_characters_stay_escaped_inside_strings() {
        let text = shown(&[log("a", "x\u{1b}[2J\ny")]);
        assert_eq!(
            text,
            "{\"event\":\"image-log\",\"image\":\"a\",\"line\":\"x\\u001b[2J\\ny\"}\n"
        );
    }

    #[test]
    fn a_closed_pipe_is_no_panic() {
        let mut json = Json::new(Box::new(Closed::default()));
        play(&mut json, &story());
    }
}
