//! How a picture looks, apart from what it shows.

use super::layout::Direction;

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
