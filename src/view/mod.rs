//! The graph of a workspace, drawn: as a tree, in Graphviz's DOT, in Mermaid, as JSON, as SVG, as a page for browsers.
//!
//! All formats render one small model, a [`Drawing`], which may carry a plan and times on top; the same drawing gives the same
//! bytes. A page also has the details of each image.

mod detail;
mod dot;
mod drawing;
mod group;
mod json;
mod layout;
mod look;
mod markdown;
mod mermaid;
mod page;
mod planned;
mod size;
mod summary;
mod svg;
mod trace;
mod tree;

pub use detail::{Built, Detail, Outside};
pub use drawing::{CriticalPath, Drawing, Edge, Label, Node, State};
pub use layout::Direction;
pub use look::{Look, Theme};
pub use page::{Live, Page, Tab, page};
pub(crate) use size::size;
pub use summary::{SUMMARY_LIMIT, summary};
pub use trace::trace;

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
