//! Splits a text without syntax errors into tokens that together cover all of it.
//!
//! Used for what the tree does not represent: comments and layout. It shares the parser's cursor, so that there is only one
//! implementation of KDL.

use std::ops::Range;

use super::cursor::{Cursor, is_newline, is_space};
use super::node::Node;
use crate::diagnostic::SourceId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Newline,
    /// Whitespace within a line.
    Space,
    /// `// …`, without the line break.
    LineComment,
    /// `/* … */`.
    BlockComment,
    /// `\` with everything up to and including the line break.
    Continue,
    /// `/-`.
    Dash,
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// `;`.
    End,
    /// `=`.
    Equals,
    Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub span: Range<usize>,
}

/// The tokens of a text that [`super::parse`] accepts without mistakes.
pub(crate) fn tokens(text: &str, source: SourceId) -> Vec<Token> {
    let mut cursor = Cursor::new(text, source);
    let mut tokens = Vec::new();
    while let Some(c) = cursor.peek() {
        let start = cursor.at;
        let kind = cursor.token(c);
        // Always makes progress, even for a text with mistakes.
        cursor.at = cursor.at.max(start + c.len_utf8());
        let span = start..cursor.at;
        tokens.push(Token { kind, span });
    }
    tokens
}

impl Cursor<'_> {
    fn token(&mut self, c: char) -> TokenKind {
        if is_space(c) {
            self.take_while(is_space);
            return TokenKind::Space;
        }
        if self.newline() {
            return TokenKind::Newline;
        }
        for (word, kind) in [
            ("{", TokenKind::Open),
            ("}", TokenKind::Close),
            (";", TokenKind::End),
            ("=", TokenKind::Equals),
            ("/-", TokenKind::Dash),
        ] {
            if self.eat(word) {
                return kind;
            }
        }
        if self.starts("//") {
            self.take_while(|c| !is_newline(c));
            return TokenKind::LineComment;
        }
        if self.starts("/*") {
            self.block_comment();
            return TokenKind::BlockComment;
        }
        if c == '\\' {
            self.continued_line();
            return TokenKind::Continue;
        }
        let _ = self.value();
        TokenKind::Value
    }
}

/// Whether two trees have the same content, regardless of places.
pub(crate) fn same(one: &[Node], other: &[Node]) -> bool {
    let props = |node: &Node| -> Vec<_> {
        let props = node.props.iter();
        props
            .map(|prop| (prop.name.text.clone(), prop.value.data.clone()))
            .collect()
    };
    let alike = |(a, b): (&Node, &Node)| {
        a.name.text == b.name.text
            && a.block.is_some() == b.block.is_some()
            && a.args
                .iter()
                .map(|arg| &arg.data)
                .eq(b.args.iter().map(|arg| &arg.data))
            && props(a) == props(b)
            && same(&a.children, &b.children)
    };
    one.len() == other.len() && one.iter().zip(other).all(alike)
}
