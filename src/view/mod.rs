//! The graph of a workspace, drawn: as a tree, in Graphviz's DOT, in Mermaid, as JSON, as SVG.
//!
//! All formats render one small model, a [`Drawing`], which may carry a plan and times on top; the same drawing gives the same
//! bytes.

use std::collections::HashMap;

mod dot;
mod drawing;
mod group;
mod json;
mod layout;
mod mermaid;
mod planned;
mod svg;
mod tree;

pub use drawing::{CriticalPath, Drawing, Edge, Label, Node, State};
pub use layout::Direction;

/// The output format of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Lines for people: bases first, dependents indented below.
    #[default]
    Tree,
    /// Graphviz's DOT language.
    Dot,
    /// Mermaid's language, which many code forges render in Markdown.
    Mermaid,
    /// JSON in the shape of docs/json.md.
    Json,
    /// A picture, for browsers and documents.
    Svg,
}

/// How a picture looks; a tree and JSON have no use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Where layers go; `None` is what suits the format: to the right in an SVG, down in the others.
    pub direction: Option<Direction>,
    /// The colors of an SVG.
    pub theme: Theme,
}

/// Dark on light, light on dark, or what the reader prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// What the reader's browser is set to.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

/// The drawing in this format. Its last line ends with a newline; an empty drawing may be an empty text.
pub fn render(format: Format, drawing: &Drawing, look: Look) -> String {
    match format {
        Format::Tree => tree::render(drawing),
        Format::Dot => dot::render(drawing, look.direction),
        Format::Mermaid => mermaid::render(drawing, look.direction),
        Format::Json => json::render(drawing),
        Format::Svg => svg::render(drawing, look),
    }
}

/// The edges as places in the list of images: the one that needs, and the one that is needed.
fn indices(drawing: &Drawing) -> Vec<(usize, usize)> {
    let names = drawing.nodes.iter().enumerate();
    let at: HashMap<&str, usize> = names.map(|(at, node)| (node.name.as_str(), at)).collect();
    let edges = drawing.edges.iter();
    edges
        .map(|edge| (at[edge.from.as_str()], at[edge.to.as_str()]))
        .collect()
}
