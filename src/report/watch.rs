//! Messages of `imgspec watch`, shared by the terminal and plain reporters.

use super::diagnostics;
use super::line::{Line, Style};
use super::words::{Count, List, Seconds, first};
use crate::clean::clean_output;
use crate::diagnostic::{Diagnostic, Sources};
use crate::run::event::Event;

/// How many names are listed before the rest is only counted.
const NAMED: usize = 8;

const PAUSED: &str = "paused: running builds finish, no new ones start";

/// The lines for an event of a watch; empty for events of a run.
pub fn lines(event: &Event, color: bool) -> Vec<Line> {
    let (style, text) = match event {
        Event::WatchStarted { .. } => (Style::Dim, watching(event)),
        Event::FilesChanged {
            files,
            count,
            images,
            ..
        } => (Style::Bold, changed(files, *count, images)),
        Event::GraphChanged {
            images,
            added,
            removed,
        } => {
            let text = format!("the graph now has {}", Count(*images, "image"));
            (
                Style::Plain,
                with_names(text, [("new", added), ("removed", removed)]),
            )
        }
        Event::ManifestsBroken { shown, .. } => return broken(&shown.0, &shown.1, color),
        Event::ManifestsMended => (Style::Good, "the manifests are valid again".to_owned()),
        Event::ImageWaiting { image, because } => (
            Style::Doubtful,
            format!("{image}: waiting for {}", List(because)),
        ),
        Event::WatchHeld { why } => (Style::Dim, why.clone()),
        Event::PageServed { url } => (Style::Plain, format!("live page: {url}")),
        // Waiting images are not listed: each has already reported what it waits for.
        Event::WatchWaiting { failed, .. } => {
            let text = "waiting for changes".to_owned();
            (Style::Dim, with_names(text, [("failed", failed)]))
        }
        Event::WatchPaused { paused: true } => (Style::Doubtful, PAUSED.to_owned()),
        Event::WatchPaused { paused: false } => (Style::Plain, "resumed".to_owned()),
        Event::HookStarted { hook } => (Style::Dim, format!("{hook}: started")),
        Event::HookLog { hook, line } => {
            let line = clean_output(line);
            return vec![Line::of(Style::Dim, format!("{hook} | ")).add(Style::Plain, line)];
        }
        Event::HookEnded {
            hook,
            error,
            seconds,
        } => match error {
            None => (Style::Dim, format!("{hook}: done in {}", Seconds(*seconds))),
            Some(error) => (
                Style::Doubtful,
                format!("{hook}: {error} after {}", Seconds(*seconds)),
            ),
        },
        Event::WatchEnded { waves } => (
            Style::Dim,
            format!("the watch ended after {}", Count(*waves, "wave")),
        ),
        _ => return Vec::new(),
    };
    vec![Line::of(style, text)]
}

/// Whether the event is shown even with `-q`.
pub fn is_failure(event: &Event) -> bool {
    matches!(
        event,
        Event::ManifestsBroken { .. } | Event::HookEnded { error: Some(_), .. }
    )
}

/// Formats `watching 12 images: 210 files in 34 directories`; empty for other events.
pub fn watching(event: &Event) -> String {
    let Event::WatchStarted {
        images,
        folders,
        files,
        poll,
    } = event
    else {
        return String::new();
    };
    let poll = poll.map_or(String::new(), |every| format!(", checked every {every} s"));
    format!(
        "watching {}: {} in {}{poll}",
        Count(*images, "image"),
        Count(*files, "file"),
        Count(*folders, "directory")
    )
}

fn changed(files: &[String], count: usize, images: &[String]) -> String {
    let files = match (files, count) {
        ([], _) => "changed".to_owned(),
        ([one], 1) => format!("{one} changed"),
        ([first, ..], many) => format!("{first} and {} more changed", many.saturating_sub(1)),
    };
    if images.is_empty() {
        files
    } else {
        format!("{files}: {}", first(images, NAMED))
    }
}

fn broken(mistakes: &[Diagnostic], sources: &Sources, color: bool) -> Vec<Line> {
    let text = diagnostics::render(mistakes, sources, color, None);
    // The renderer has already sanitized and colored the text.
    let mut lines: Vec<Line> = text.lines().map(Line::painted).collect();
    let words =
        "the manifests have errors: their last valid version stays in effect until they are fixed";
    lines.push(Line::of(Style::Doubtful, words));
    lines
}

fn with_names<const N: usize>(mut text: String, lists: [(&str, &Vec<String>); N]) -> String {
    for (word, names) in lists {
        if !names.is_empty() {
            text += &format!("; {word}: {}", first(names, NAMED));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(event: &Event) -> String {
        let lines = lines(event, false);
        lines
            .iter()
            .map(|line| line.paint(false))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn files_are_named_while_they_are_few() {
        let changed = |files: &[&str], count| Event::FilesChanged {
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            count,
            images: vec!["train".to_owned(), "serve".to_owned()],
            build: 2,
        };
        assert_eq!(said(&changed(&["a.py"], 1)), "a.py changed: train, serve");
        assert_eq!(
            said(&changed(&["a.py", "b.py"], 5000)),
            "a.py and 4999 more changed: train, serve"
        );
    }

    #[test]
    fn the_waiting_state_says_what_failed_and_not_again_who_waits() {
        let event = Event::WatchWaiting {
            failed: vec!["train".to_owned()],
            waiting: vec!["serve".to_owned()],
        };
        assert_eq!(said(&event), "waiting for changes; failed: train");
    }

    #[test]
    fn what_a_hook_prints_cannot_act_on_the_terminal() {
        let event = Event::HookLog {
            hook: "on-success".to_owned(),
            line: "\u{1b}[2Jx".to_owned(),
        };
        assert_eq!(said(&event), "on-success | x");
    }
}
