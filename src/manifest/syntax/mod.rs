//! KDL 2 text → a tree of nodes, every part with its place; all syntax mistakes of a text at once.
//!
//! Knows nothing of what nodes mean. The choice made: a parser of our own, because its mistakes are its main product and
//! its input may be hostile — see docs/design/kdl.md. It is recursive only in braces, and those have a limit.

mod lexer;
mod parser;
mod string;
mod tokens;
mod value;

pub(crate) use tokens::{Token, TokenKind, same, tokens};

use crate::diagnostic::{Diagnostic, Place, SourceId};

/// The largest manifest that is read, in bytes.
pub(crate) const SIZE_LIMIT: usize = 1024 * 1024;

/// How deep braces and comments may be nested.
const DEPTH_LIMIT: usize = 64;

/// How many syntax mistakes of one text are told.
const MISTAKE_LIMIT: usize = 50;

/// One node with all that belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Its name.
    pub name: Word,
    /// Its arguments, in order.
    pub args: Vec<Value>,
    /// Its properties, in order, repeated ones too.
    pub props: Vec<Prop>,
    /// The nodes between its braces.
    pub children: Vec<Node>,
    /// The opening brace, if it has one.
    pub block: Option<Place>,
}

/// A name with its place.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    /// What it says, without quotes.
    pub text: String,
    /// Where, with quotes.
    pub place: Place,
}

/// One `name=value`.
#[derive(Debug, Clone)]
pub(crate) struct Prop {
    /// The name.
    pub name: Word,
    /// The value.
    pub value: Value,
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// What it is.
    pub data: Data,
    /// Where, with quotes.
    pub place: Place,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    /// Text of any kind.
    Text {
        /// What it says, escapes resolved.
        text: String,
        /// Whether it was quoted but not raw, so that `{{ }}` means something in it.
        quoted: bool,
    },
    /// A number, as written.
    Number(String),
    /// `#true` or `#false`.
    Bool(bool),
    /// `#null`.
    Null,
}

impl Node {
    pub(super) fn named(name: Word) -> Self {
        Self {
            name,
            args: Vec::new(),
            props: Vec::new(),
            children: Vec::new(),
            block: None,
        }
    }

    /// From the name to the last argument or property, without the block.
    pub(crate) fn head(&self) -> Place {
        let ends = self.args.iter().map(|value| value.place.span.end);
        let prop_ends = self.props.iter().map(|prop| prop.value.place.span.end);
        let end = ends.chain(prop_ends).max().unwrap_or(0);
        Place {
            source: self.name.place.source,
            span: self.name.place.span.start..end.max(self.name.place.span.end),
        }
    }
}

impl Prop {
    /// From the name to the end of the value.
    pub(crate) fn place(&self) -> Place {
        Place {
            source: self.name.place.source,
            span: self.name.place.span.start..self.value.place.span.end,
        }
    }
}

/// Reads a text. When there are mistakes, the nodes are those that could be understood; a node with a mistake in its own
/// line is not among them, and none is when blocks do not match.
pub(crate) fn parse(text: &str, source: SourceId) -> (Vec<Node>, Vec<Diagnostic>) {
    parser::Parser::new(text, source).document()
}

#[cfg(test)]
#[allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "tests are read, not timed"
)]
mod tests;
