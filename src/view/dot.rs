//! Drawings in Graphviz's language.
//!
//! Arrows point from an image to what it needs, as everywhere in imgspec, with bases on top. Nodes are identified by
//! image id, so that a picture keeps its shape when images are added.

use std::fmt::Write as _;

use super::drawing::{Drawing, Node, printable};
use super::layout::Direction;
use crate::graph::EdgeKind;

pub(super) fn render(drawing: &Drawing, direction: Option<Direction>) -> String {
    let rankdir = match direction {
        Some(Direction::Right) => "RL",
        Some(Direction::Down) | None => "BT",
    };
    let mut out = format!(
        "digraph imgspec {{\n  rankdir={rankdir};\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"];\n",
    );
    for node in &drawing.nodes {
        let (name, label) = (quote(&node.name), label(node));
        let color = node
            .state
            .map(|state| format!(", fillcolor=\"{}\"", state.color()));
        let color = color.unwrap_or_default();
        let _ = writeln!(out, "  {name} [label={label}{color}];");
    }
    for edge in &drawing.edges {
        let style = match edge.kind {
            EdgeKind::Base => "",
            EdgeKind::Copy => " [style=dashed, label=\"copy\"]",
        };
        let (from, to) = (quote(&edge.from), quote(&edge.to));
        let _ = writeln!(out, "  {from} -> {to}{style};");
    }
    out.push_str("}\n");
    out
}

fn label(node: &Node) -> String {
    // In labels, Graphviz also interprets HTML's entities.
    let lines = node.lines().into_iter();
    let lines: Vec<String> = lines
        .map(|line| escape(&line).replace('&', "&amp;"))
        .collect();
    format!("\"{}\"", lines.join("\\n"))
}

fn quote(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

/// Escapes quotes, which end a quoted string, and backslashes, which are special in labels.
fn escape(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::view::drawing::State;
    use crate::view::drawing::tests::{diamond, drawing};

    #[test]
    fn images_are_boxes_and_copies_are_dashed() {
        insta::assert_snapshot!(render(&diamond(), None), @r#"
        digraph imgspec {
          rankdir=BT;
          node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"];
          "os" [label="os\nr:5000/os:0a1b"];
          "tools" [label="tools\nr:5000/tools:0a1b"];
          "py" [label="py\nr:5000/py:0a1b"];
          "app" [label="app\nr:5000/app:0a1b"];
          "docs" [label="docs\nr:5000/docs:0a1b"];
          "tools" -> "os";
          "py" -> "os";
          "app" -> "py";
          "app" -> "tools" [style=dashed, label="copy"];
        }
        "#);
    }

    #[test]
    fn states_are_colors_and_notes_are_lines() {
        let mut drawing = drawing("a");
        drawing.nodes[0].state = Some(State::Build);
        drawing.nodes[0].note = Some("never built".into());
        assert!(
            render(&drawing, None)
                .contains(r##""a" [label="a\nr:5000/a:0a1b\nnever built", fillcolor="#fff0c2"];"##)
        );
    }

    #[test]
    fn a_reference_cannot_leave_its_string() {
        let mut drawing = drawing("a");
        drawing.nodes[0].reference = "x\"]; evil [label=\"\\\n\\N".into();
        assert!(render(&drawing, None).contains(r#"[label="a\nx\"]; evil [label=\"\\ \\N"];"#));
    }
}
