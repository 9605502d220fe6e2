//! The sentences of `imgspec watch`, the same on a terminal and as plain lines.
//!
//! Knows no stream. The choice made: whatever a watch says is a list of lines made here, so that the two never differ.

use super::clean::clean_output;
use super::diagnostics;
use super::line::{Line, Style};
use super::words::{Count, List, Seconds};
use crate::run::event::Event;

/// So many names are listed before they are only counted.
const NAMED: usize = 8;

/// What a watch's event says; nothing for the events of a run.
#[must_use]
pub fn lines(event: &Event, color: bool) -> Vec<Line> {
    let one = |style: Style, text: String| vec![Line::new().add(style, text)];
    match event {
        Event::WatchStarted { .. } => one(Style::Dim, watching(event)),
        Event::FilesChanged {
            files,
            count,
            images,
            ..
        } => one(Style::Bold, changed(files, *count, images)),
        Event::GraphChanged {
            images,
            added,
            removed,
        } => one(Style::Plain, graph(*images, added, removed)),
        Event::ManifestsBroken { shown, .. } => broken(shown, color),
        Event::ManifestsMended => one(Style::Good, "the manifests are right again".to_owned()),
        Event::ImageWaiting { image, because } => one(
            Style::Doubtful,
            format!("{image}: waits for {}", List(because)),
        ),
        Event::WatchHeld { why } => one(Style::Dim, why.clone()),
        Event::WatchWaiting { failed, waiting } => one(Style::Dim, waits(failed, waiting)),
        Event::WatchPaused { paused: true } => one(
            Style::Doubtful,
            "paused: what runs ends, nothing new starts".to_owned(),
        ),
        Event::WatchPaused { paused: false } => one(Style::Plain, "goes on".to_owned()),
        Event::HookStarted { hook } => one(Style::Dim, format!("{hook}: started")),
        Event::HookLog { hook, line } => vec![
            Line::new()
                .add(Style::Dim, format!("{hook} | "))
                .add(Style::Plain, clean_output(line)),
        ],
        Event::HookEnded {
            hook,
            error: None,
            seconds,
        } => one(Style::Dim, format!("{hook}: done in {}", Seconds(*seconds))),
        Event::HookEnded {
            hook,
            error: Some(error),
            seconds,
        } => one(
            Style::Doubtful,
            format!("{hook}: {error} after {}", Seconds(*seconds)),
        ),
        Event::WatchEnded { waves } => one(
            Style::Dim,
            format!("the watch ended after {}", Count(*waves, "wave")),
        ),
        _ => Vec::new(),
    }
}

/// Whether it is told even with `-q`.
#[must_use]
pub fn is_failure(event: &Event) -> bool {
    matches!(
        event,
        Event::ManifestsBroken { .. } | Event::HookEnded { error: Some(_), .. }
    )
}

/// `watching 12 images: 210 files in 34 folders`.
#[must_use]
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
    let how = match poll {
        Some(every) => format!(", every {every} s"),
        None => String::new(),
    };
    format!(
        "watching {}: {} in {}{how}",
        Count(*images, "image"),
        Count(*files, "file"),
        Count(*folders, "folder")
    )
}

fn changed(files: &[String], count: usize, images: &[String]) -> String {
    let what = match (files, count) {
        ([], _) => "changed".to_owned(),
        ([one], 1) => format!("{one} changed"),
        ([first, ..], many) => format!("{first} and {} more changed", many.saturating_sub(1)),
    };
    if images.is_empty() {
        what
    } else {
        format!("{what}: {}", names(images))
    }
}

fn graph(images: usize, added: &[String], removed: &[String]) -> String {
    let mut text = format!("the graph has {} now", Count(images, "image"));
    for (word, list) in [("new", added), ("gone", removed)] {
        if !list.is_empty() {
            text.push_str(&format!("; {word}: {}", names(list)));
        }
    }
    text
}

fn broken(
    shown: &(
        Vec<crate::diagnostic::Diagnostic>,
        crate::diagnostic::Sources,
    ),
    color: bool,
) -> Vec<Line> {
    let text = diagnostics::render(&shown.0, &shown.1, color, None);
    // The renderer has cleaned what it quotes and coloured it.
    let mut lines: Vec<Line> = text.lines().map(Line::painted).collect();
    lines.push(Line::new().add(
        Style::Doubtful,
        "the manifests are wrong: what they said last goes on to count until they are mended",
    ));
    lines
}

fn waits(failed: &[String], waiting: &[String]) -> String {
    let mut text = "waiting for changes".to_owned();
    for (word, list) in [("failed", failed), ("waiting for others", waiting)] {
        if !list.is_empty() {
            text.push_str(&format!("; {word}: {}", names(list)));
        }
    }
    text
}

fn names(list: &[String]) -> String {
    let named = list[..list.len().min(NAMED)].join(", ");
    match list.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
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
    fn many_images_are_counted_after_the_first_ones() {
        let images: Vec<String> = (0..10).map(|at| format!("i{at}")).collect();
        assert_eq!(names(&images), "i0, i1, i2, i3, i4, i5, i6, i7 and 2 more");
    }

    #[test]
    fn the_waiting_state_says_what_failed_and_who_waits() {
        let event = Event::WatchWaiting {
            failed: vec!["train".to_owned()],
            waiting: vec!["serve".to_owned()],
        };
        assert_eq!(
            said(&event),
            "waiting for changes; failed: train; waiting for others: serve"
        );
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
