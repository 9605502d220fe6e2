//! KDL 2 text → a tree of nodes, every part with its place; all syntax mistakes of a text at once.
//!
//! The parser is our own, because its mistakes are its main product and its input may be hostile: see docs/design/kdl.md. It is
//! recursive only in braces, and those have a limit.

mod cursor;
mod node;
mod parser;
mod shape;
mod string;
mod tokens;
mod value;

pub(crate) use node::{Data, Node, Prop, Value};
pub(super) use shape::{bare, block_only, no_block, one_argument, only_props, prop};
pub(crate) use tokens::{Token, TokenKind, same, tokens};

use crate::diagnostic::{Diagnostic, SourceId};

/// Reads a text. When there are mistakes, the nodes are those that could be understood; a node with a mistake in its own
/// line is not among them, and none is when blocks do not match.
pub(crate) fn parse(text: &str, source: SourceId) -> (Vec<Node>, Vec<Diagnostic>) {
    parser::document(text, source)
}

#[cfg(test)]
#[allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "tests are read, not timed"
)]
mod tests;
