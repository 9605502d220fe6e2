//! Parses KDL 2 text into a tree of nodes with places, reporting all syntax errors at once.
//!
//! The parser is our own because error messages are its main product and its input may be hostile: see docs/design/kdl.md. It
//! recurses only for blocks, whose depth is limited.

mod cursor;
mod node;
mod parser;
mod shape;
mod string;
mod tokens;
mod value;

pub(super) use cursor::PART_LIMIT;
pub(crate) use node::{Data, Node, Prop, Value};
pub(super) use shape::{bare, block_only, no_block, one_argument, only_props, prop};
pub(crate) use tokens::{Token, TokenKind, same, tokens};

use crate::diagnostic::{Diagnostic, SourceId};

/// Parses a text. If there are mistakes, the nodes are those that could be understood: a node with a mistake on its own line
/// is missing, and if blocks do not match, all are.
pub(crate) fn parse(text: &str, source: SourceId) -> (Vec<Node>, Vec<Diagnostic>) {
    parse_next(text, source, &mut 0)
}

/// Parses the next of several texts; `parts` counts their nodes and values, of which there may be [`PART_LIMIT`].
pub(super) fn parse_next(
    text: &str,
    source: SourceId,
    parts: &mut usize,
) -> (Vec<Node>, Vec<Diagnostic>) {
    parser::document(text, source, parts)
}

#[cfg(test)]
#[allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "tests are read, not timed"
)]
mod tests;
