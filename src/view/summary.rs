//! A run or a plan as Markdown, for the summary of a job on a code forge.
//!
//! What went wrong comes first. GitHub shows at most 1 MiB of a summary and draws only small graphs, so a long table is cut,
//! and a large graph is drawn by directory or not at all; each time a line says so.

use std::cmp::Reverse;
use std::fmt::Write as _;

use super::drawing::{Drawing, Node, State, images};
use super::markdown::{code, fenced, prose};
use super::mermaid;
use super::size::size;
use crate::run::History;
use crate::run::history::{ImageState, Row};

/// What GitHub accepts of a summary.
pub const SUMMARY_LIMIT: usize = 1 << 20;

/// What it draws of a graph.
const CHARACTERS: usize = 50_000;
const EDGES: usize = 500;

/// How many lines of output are shown of a failed build, how much each failure may take, and all together.
const LINES: usize = 30;
const FAILURE: usize = 16 << 10;
const FAILURES: usize = 256 << 10;

/// Room for the lines that say what is left out.
const NOTICE: usize = 256;

/// The summary of a run, or without one of a plan: at most `room` bytes, if that is enough for a headline.
pub fn summary(drawing: &Drawing, history: Option<&History>, room: usize) -> String {
    let mut drawing = drawing.clone();
    if let Some(history) = history {
        drawing.show_run(history);
    }
    let head = headline(&drawing, history);
    let mut left = room.saturating_sub(head.len() + 2 * NOTICE);
    let failures = history.map_or(String::new(), |history| {
        failures(&drawing, history, left.min(FAILURES))
    });
    left = left.saturating_sub(failures.len());
    let graph = Some(graph(&drawing)).filter(|graph| graph.len() <= left / 2);
    let graph = graph.unwrap_or_default();
    left = left.saturating_sub(graph.len());
    format!("{head}{}{failures}{graph}", table(&drawing, left))
}

/// How many images of a critical path are named.
const PATH: usize = 20;

/// The states in the order of a headline.
const HEADLINE: [State; 11] = [
    State::Built,
    State::Pushed,
    State::Build,
    State::Push,
    State::Tag,
    State::Fresh,
    State::Failed,
    State::Skipped,
    State::Cancelled,
    State::Waiting,
    State::Running,
];

/// `## imgspec: built 3, fresh 9, failed 1 in 42.0 s`, and what took the time.
fn headline(drawing: &Drawing, history: Option<&History>) -> String {
    let count = |state| {
        let nodes = drawing.nodes.iter();
        let count = nodes.filter(|node| node.state == Some(state)).count();
        let words = match state {
            State::Build | State::Push | State::Tag => format!("{count} to {}", state.word()),
            _ => format!("{} {count}", state.word()),
        };
        (count > 0).then_some(words)
    };
    let counts: Vec<String> = HEADLINE.into_iter().filter_map(count).collect();
    let counts = if counts.is_empty() {
        images(drawing.nodes.len())
    } else {
        counts.join(", ")
    };
    let time = history.map_or(String::new(), |history| format!(" in {:.1} s", history.at));
    let mut out = format!("## imgspec: {counts}{time}\n\n");
    if let Some(path) = &drawing.critical_path
        && path.images.len() > 1
    {
        let names = path.images.iter().take(PATH).map(|name| code(name));
        let names: Vec<String> = names.collect();
        let more = path.images.len() - names.len();
        let more = if more > 0 {
            format!(" → {more} more")
        } else {
            String::new()
        };
        let (names, seconds) = (names.join(" → "), path.seconds);
        let _ = write!(out, "Critical path: {names}{more} ({seconds:.1} s)\n\n");
    }
    out
}

/// All images, with those first that failed or were built.
fn table(drawing: &Drawing, room: usize) -> String {
    if drawing.nodes.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "| state | image | reference | seconds | size | why |\n| --- | --- | --- | ---: | ---: | --- |\n",
    );
    let mut nodes: Vec<&Node> = drawing.nodes.iter().collect();
    nodes.sort_by_key(|node| Reverse(node.state));
    let mut rows = nodes.iter().map(|node| row(node)).enumerate();
    let left_out = rows.find_map(|(at, row)| {
        if out.len() + row.len() > room {
            return Some(nodes.len() - at);
        }
        out.push_str(&row);
        None
    });
    if let Some(count) = left_out {
        let _ = write!(
            out,
            "\n{} more would make this summary larger than what is shown.\n",
            images(count)
        );
    }
    out.push('\n');
    out
}

fn row(node: &Node) -> String {
    let word = node.state.map_or("", State::word);
    let state = match node.state {
        Some(State::Failed) => format!("**{word}**"),
        _ => word.to_owned(),
    };
    let seconds = node.seconds.map(|seconds| format!("{seconds:.1}"));
    let why = node.note.as_deref().unwrap_or_default();
    format!(
        "| {state} | {} | {} | {} | {} | {} |\n",
        code(&node.name),
        code(&node.reference),
        seconds.unwrap_or_default(),
        node.size.map(size).unwrap_or_default(),
        prose(cut(why.lines().next().unwrap_or_default(), 300)),
    )
}

/// What failed, each with its error and the end of its output.
fn failures(drawing: &Drawing, history: &History, room: usize) -> String {
    let mut out = String::new();
    let failed = drawing.nodes.iter().filter_map(|node| {
        let row = history.images.get(&node.name)?;
        (row.state == ImageState::Failed).then_some((node, row))
    });
    let mut left_out = 0;
    for (node, row) in failed {
        let text = failure(&node.name, row);
        if out.len() + text.len() + NOTICE > room {
            left_out += 1;
        } else {
            out.push_str(&text);
        }
    }
    if left_out > 0 && out.len() + NOTICE <= room {
        let _ = write!(
            out,
            "The errors of {} more are left out.\n\n",
            images(left_out)
        );
    }
    out
}

fn failure(name: &str, row: &Row) -> String {
    let mut out = format!("### {} failed", code(name));
    if let Some(seconds) = row.seconds {
        let _ = write!(out, " after {seconds:.1} s");
    }
    out.push_str("\n\n");
    let places = [("at", &row.place), ("whole log:", &row.log)];
    for (what, place) in places {
        if let Some(place) = place {
            let _ = writeln!(out, "{what} {}  ", code(place));
        }
    }
    let error = row.note.as_deref().unwrap_or_default();
    let tail = row.lines.iter().map(String::as_str);
    let lines = error
        .lines()
        .chain(tail.skip(row.lines.len().saturating_sub(LINES)));
    let mut taken = 0;
    let lines = lines.map(|line| cut(line, 1000)).take_while(|line| {
        taken += line.len() + 1;
        taken < FAILURE
    });
    let _ = write!(out, "\n{}\n", fenced("", lines));
    out
}

/// The graph, as far as it is drawn on GitHub.
fn graph(drawing: &Drawing) -> String {
    let small = |drawing: &Drawing| {
        let mut drawing = drawing.clone();
        for node in &mut drawing.nodes {
            // The rest is in the table; a color alone would not say the state.
            node.reference.clear();
            node.size = None;
            if node.images.is_none() {
                node.note = node.state.map(|state| state.word().to_owned());
            }
        }
        let text = mermaid::render(&drawing, None);
        let is_drawn = text.chars().count() < CHARACTERS && drawing.edges.len() < EDGES;
        is_drawn.then(|| fenced("mermaid", text.lines()))
    };
    if drawing.edges.is_empty() {
        return String::new();
    }
    if let Some(text) = small(drawing) {
        return text;
    }
    match small(&drawing.by_folder()).filter(|_| drawing.folders() > 1) {
        Some(text) => format!("The graph of all images is larger than what GitHub draws; by directory:\n\n{text}"),
        None => "The graph is larger than what GitHub draws; `imgspec graph show --format html` shows it.\n".to_owned(),
    }
}

fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests;
