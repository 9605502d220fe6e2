//! Drawings in Mermaid's language.
//!
//! Node names consist of letters, digits and `_` only, because words such as `end` and characters such as `-` are
//! special in Mermaid. Labels are quoted, with entities for everything that would end the quote or that Markdown or
//! HTML would interpret.

use std::fmt::Write as _;

use super::drawing::{Drawing, Node, State, printable};
use super::layout::Direction;
use crate::graph::EdgeKind;

pub(super) fn render(drawing: &Drawing, direction: Option<Direction>) -> String {
    let direction = match direction {
        Some(Direction::Right) => "RL",
        Some(Direction::Down) | None => "BT",
    };
    let mut out = format!("flowchart {direction}\n");
    for node in &drawing.nodes {
        let _ = writeln!(out, "  {}[\"{}\"]", id(&node.name), label(node));
    }
    for edge in &drawing.edges {
        let arrow = match edge.kind {
            EdgeKind::Base => "-->",
            EdgeKind::Copy => "-. copy .->",
        };
        let _ = writeln!(out, "  {} {arrow} {}", id(&edge.from), id(&edge.to));
    }
    for state in State::ALL {
        out.push_str(&class(drawing, state));
    }
    out
}

/// The class definition of a state and its images; empty if there are no images in that state.
fn class(drawing: &Drawing, state: State) -> String {
    let nodes = drawing.nodes.iter();
    let nodes = nodes.filter(|node| node.state == Some(state));
    let ids: Vec<String> = nodes.map(|node| id(&node.name)).collect();
    if ids.is_empty() {
        return String::new();
    }
    let (word, color) = (state.word(), state.color());
    format!(
        "  classDef {word} fill:{color},color:#222\n  class {} {word}\n",
        ids.join(",")
    )
}

fn label(node: &Node) -> String {
    let lines: Vec<String> = node.lines().iter().map(|line| escape(line)).collect();
    lines.join("<br/>")
}

/// `i_` plus the id, with other characters replaced by `_` and their code: `ml-base` becomes `i_ml_2dbase`.
/// Unambiguous.
fn id(name: &str) -> String {
    let mut out = String::from("i_");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(byte.into());
        } else {
            let _ = write!(out, "_{byte:02x}");
        }
    }
    out
}

fn escape(text: &str) -> String {
    let mut out = String::new();
    for char in printable(text).chars() {
        match char {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | '*' | '[' | ']' | '{' | '}' => {
                let _ = write!(out, "#{};", u32::from(char));
            }
            // Two of them would begin a formula, also as entities; a space of no width keeps them apart.
            '$' if out.ends_with('$') => out.push_str("\u{200b}$"),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{id, render};
    use crate::view::drawing::State;
    use crate::view::drawing::tests::{diamond, drawing};

    #[test]
    fn images_are_boxes_and_copies_are_dotted() {
        insta::assert_snapshot!(render(&diamond(), None), @r#"
        flowchart BT
          i_os["os<br/>r:5000/os:0a1b"]
          i_tools["tools<br/>r:5000/tools:0a1b"]
          i_py["py<br/>r:5000/py:0a1b"]
          i_app["app<br/>r:5000/app:0a1b"]
          i_docs["docs<br/>r:5000/docs:0a1b"]
          i_tools --> i_os
          i_py --> i_os
          i_app --> i_py
          i_app -. copy .-> i_tools
        "#);
    }

    #[test]
    fn states_are_classes() {
        let mut drawing = diamond();
        drawing.nodes[0].state = Some(State::Fresh);
        drawing.nodes[2].state = Some(State::Build);
        drawing.nodes[3].state = Some(State::Build);
        let text = render(&drawing, None);
        let tail: Vec<&str> = text.lines().skip(10).collect();
        insta::assert_snapshot!(tail.join("\n"), @r#"
        classDef fresh fill:#e3f4e5,color:#222
        class i_os fresh
        classDef build fill:#fff0c2,color:#222
        class i_py,i_app build
        "#);
    }

    #[test]
    fn no_id_is_a_word_of_mermaid_and_no_two_are_one() {
        assert_eq!(id("end"), "i_end");
        assert_eq!(id("serve-py3.11"), "i_serve_2dpy3_2e11");
        assert_ne!(id("a-b"), id("a_2db"));
    }

    #[test]
    fn a_reference_cannot_leave_its_label() {
        let mut drawing = drawing("a");
        drawing.nodes[0].reference = "x\"]\nclick a href \"javascript:<b>`#quot;".into();
        let text = render(&drawing, None);
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("x#34;#93; click a href #34;javascript:#60;b#62;#96;#35;quot;\"]"));
    }
}
