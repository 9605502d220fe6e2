//! The legend below a picture.

use std::fmt::Write as _;

use super::super::drawing::{Drawing, State};
use super::text::{NOTE_COLUMN, escape, f64_of};
use crate::columns;
use crate::graph::EdgeKind;

/// A finished legend.
pub(super) struct Legend {
    pub(super) text: String,
    pub(super) width: f64,
}

/// What the colors and lines mean, as far as they occur.
pub(super) fn legend(drawing: &Drawing) -> Legend {
    let (mut text, mut x) = (String::new(), 16.0);
    let mut add = |text: &mut String, sign: &dyn Fn(f64) -> String, words: &str| {
        let _ = writeln!(
            text,
            "{}<text class=\"legend\" x=\"{:.1}\" y=\"14\">{}</text>",
            sign(x),
            x + 26.0,
            escape(words)
        );
        x += 26.0 + f64_of(columns::count(words)) * NOTE_COLUMN + 18.0;
    };
    for state in State::ALL {
        if drawing.nodes.iter().any(|node| node.state == Some(state)) {
            let sign = |x: f64| {
                format!(
                    "<g class=\"image {}\"><rect x=\"{x:.1}\" y=\"4\" width=\"20\" height=\"12\" rx=\"3\"/></g>",
                    state.word()
                )
            };
            add(&mut text, &sign, state.word());
        }
    }
    let line = |class: &'static str| {
        move |x: f64| {
            format!("<g class=\"arrows\"><path class=\"{class}\" d=\"M{x:.1} 10h20\"/></g>")
        }
    };
    for (kind, class, words) in [
        (EdgeKind::Base, "base", "built on"),
        (EdgeKind::Copy, "copy", "copies from"),
    ] {
        if drawing.edges.iter().any(|edge| edge.kind == kind) {
            add(&mut text, &line(class), words);
        }
    }
    if let Some(path) = &drawing.critical_path {
        add(
            &mut text,
            &line("base critical"),
            &format!("critical path: {:.1} s", path.seconds),
        );
    }
    Legend { text, width: x }
}
