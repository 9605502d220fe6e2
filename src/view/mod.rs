//! Draws the graph of a workspace: as a tree, in Graphviz's DOT, in Mermaid, as JSON.
//!
//! All formats render one small model, a [`Drawing`], which may include the states of a plan; equal drawings produce
//! equal bytes.

mod dot;
mod drawing;
mod json;
mod mermaid;
mod tree;

pub use drawing::{Drawing, Edge, Node, State};

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
}

/// Renders the drawing in this format. The output ends with a newline, except that an empty drawing may yield an empty
/// string.
pub fn render(format: Format, drawing: &Drawing) -> String {
    match format {
        Format::Tree => tree::render(drawing),
        Format::Dot => dot::render(drawing),
        Format::Mermaid => mermaid::render(drawing),
        Format::Json => json::render(drawing),
    }
}
