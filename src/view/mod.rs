//! The graph of a workspace, drawn: as a tree, in Graphviz's DOT, in Mermaid, as JSON.
//!
//! All formats render one small model, a [`Drawing`], which may carry a plan on top; the same drawing gives the same bytes.

mod dot;
mod drawing;
mod json;
mod mermaid;
mod tree;

pub use drawing::{Drawing, Edge, Node, State};

/// The language of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Lines for people: bases first, dependents indented below.
    #[default]
    Tree,
    /// Graphviz's language.
    Dot,
    /// Mermaid's language, which many forges render in Markdown.
    Mermaid,
    /// The shape of docs/json.md.
    Json,
}

/// The drawing in this format. Its last line ends with a newline; an empty drawing may be an empty text.
pub fn render(format: Format, drawing: &Drawing) -> String {
    match format {
        Format::Tree => tree::render(drawing),
        Format::Dot => dot::render(drawing),
        Format::Mermaid => mermaid::render(drawing),
        Format::Json => json::render(drawing),
    }
}
