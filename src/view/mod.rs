//! The graph of a workspace, drawn: as a tree, in Graphviz's DOT, in Mermaid, as JSON.
//!
//! Pure: a [`Drawing`] goes in, text comes out; knows no files and no run. The choice made: all formats draw one small
//! model, which may carry a plan on top, and the same drawing gives the same bytes.

mod dot;
mod drawing;
mod json;
mod mermaid;
mod tree;

pub use drawing::{Drawing, Edge, Node, State};

/// How a drawing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Lines for people: what others are built on first, dependents indented below.
    #[default]
    Tree,
    /// Graphviz's language.
    Dot,
    /// Mermaid's language, as Markdown on many forges shows it.
    Mermaid,
    /// The shape of docs/json.md.
    Json,
}

/// The drawing in this format, with a line end after its last line; an empty drawing may be the empty text.
#[must_use]
pub fn render(format: Format, drawing: &Drawing) -> String {
    match format {
        Format::Tree => tree::render(drawing),
        Format::Dot => dot::render(drawing),
        Format::Mermaid => mermaid::render(drawing),
        Format::Json => json::render(drawing),
    }
}

/// References may hold anything: what would break a line or a terminal becomes a blank.
fn printable(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}
