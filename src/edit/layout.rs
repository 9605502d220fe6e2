//! The canonical layout of a manifest: blocks indented by four spaces, one node per line, at most one blank line between
//! nodes. A block of one simple node may stay on its node's line.
//!
//! Works on tokens rather than a tree, so that comments and commented-out parts stay where they are; the text of values and
//! comments is never changed. The `kdl` crate's formatter would lose comments: see docs/design/kdl.md.

use crate::manifest::write::WIDTH;
use crate::manifest::{Token, TokenKind};

/// Formats a text that parses without errors.
pub(super) fn layout(text: &str, tokens: &[Token]) -> String {
    let mut layout = Layout {
        text,
        tokens,
        at: 0,
        out: String::new(),
        depth: 0,
        end: line_end(text, tokens),
        before: Before::Nothing,
    };
    layout.nodes();
    if !layout.out.is_empty() {
        layout.out += layout.end;
    }
    layout.out
}

/// The line ending of a text, determined by its first line.
pub(super) fn line_end(text: &str, tokens: &[Token]) -> &'static str {
    let ends = |token: &&Token| matches!(token.kind, TokenKind::Newline | TokenKind::Continue);
    let first = tokens.iter().find(ends);
    match first {
        Some(token) if text[token.span.clone()].ends_with("\r\n") => "\r\n",
        _ => "\n",
    }
}

/// The comment in a line continuation, which consists of `\` and the rest of its line.
pub(super) fn comment_in(continued: &str) -> Option<&str> {
    let at = continued.find("//")?;
    Some(continued[at..].trim_end())
}

/// What was last written on the current line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Only indentation.
    Nothing,
    /// Only indentation, on a line that continues the line that ends at this offset.
    Continued(usize),
    /// `=` or `/-`, which no space follows.
    Glue,
    Word,
}

struct Layout<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    out: String,
    depth: usize,
    end: &'static str,
    before: Before,
}

impl<'a> Layout<'a> {
    fn peek(&self) -> Option<TokenKind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    fn token_text(&self) -> &'a str {
        &self.text[self.tokens[self.at].span.clone()]
    }

    /// Writes all nodes and comments up to the end of the block.
    fn nodes(&mut self) {
        let mut is_first = true;
        loop {
            let mut ends = 0;
            loop {
                match self.peek() {
                    Some(TokenKind::Newline) => ends += 1,
                    Some(TokenKind::Space | TokenKind::End) => {}
                    Some(TokenKind::Continue) if comment_in(self.token_text()).is_none() => {}
                    None | Some(TokenKind::Close) => return,
                    Some(_) => break,
                }
                self.at += 1;
            }
            if ends > 1 && !is_first {
                self.out += self.end;
            }
            is_first = false;
            let before = self.at;
            self.node();
            // Only a text with errors has tokens that begin no node.
            self.at = self.at.max(before + 1);
        }
    }

    fn line(&mut self) {
        if !self.out.is_empty() {
            self.out += self.end;
        }
        self.out += &"    ".repeat(self.depth);
        self.before = Before::Nothing;
    }

    fn word(&mut self, word: &str) {
        if self.before == Before::Word {
            self.out.push(' ');
        }
        self.out += word;
        self.before = Before::Word;
    }

    /// Writes one node, with the comments before it on its line, or a line of comments.
    fn node(&mut self) {
        let has_node = self.head();
        while has_node && let Some(kind) = self.peek() {
            let text = self.token_text();
            match kind {
                TokenKind::Newline | TokenKind::Close => return,
                TokenKind::Space => {}
                TokenKind::Value | TokenKind::BlockComment => self.word(text),
                TokenKind::Equals => {
                    self.out.push('=');
                    self.before = Before::Glue;
                }
                TokenKind::Dash => self.dash(),
                TokenKind::Open => self.block(),
                TokenKind::Continue => {
                    if self.continued() {
                        return;
                    }
                    continue;
                }
                TokenKind::LineComment => {
                    self.word(text.trim_end());
                    self.at += 1;
                    return;
                }
                TokenKind::End => {
                    self.at += 1;
                    return self.comment_beside();
                }
            }
            self.at += 1;
        }
    }

    /// Writes what precedes a node's name: comments and `/-`. Returns whether a node follows.
    fn head(&mut self) -> bool {
        let mut comments = Vec::new();
        let (mut is_out, mut is_apart) = (false, false);
        let has_node = loop {
            let Some(kind) = self.peek() else { break false };
            match kind {
                TokenKind::Space => {}
                TokenKind::Continue => {
                    let comment = comment_in(self.token_text());
                    is_apart |= comment.is_some();
                    comments.extend(comment);
                }
                TokenKind::BlockComment => comments.push(self.token_text()),
                TokenKind::Dash => is_out = true,
                TokenKind::Newline if is_out => {}
                TokenKind::LineComment => {
                    comments.push(self.token_text().trim_end());
                    is_apart |= is_out;
                    if !is_out {
                        self.at += 1;
                        break false;
                    }
                }
                TokenKind::Value => break true,
                _ => break false,
            }
            self.at += 1;
        };
        self.line();
        for (at, comment) in comments.iter().enumerate() {
            self.word(comment);
            if is_apart && (has_node || at + 1 < comments.len()) {
                self.line();
            }
        }
        if is_out {
            self.word("/-");
            self.before = Before::Glue;
        }
        has_node
    }

    /// Writes a `/-` after a node's name. Comments between it and what it comments out are moved before it.
    fn dash(&mut self) {
        loop {
            self.at += 1;
            match self.peek() {
                Some(TokenKind::Space | TokenKind::Newline) => {}
                Some(TokenKind::BlockComment) => self.word(self.token_text()),
                Some(TokenKind::LineComment) => self.break_line(Some(self.token_text().trim_end())),
                Some(TokenKind::Continue) => {
                    if let Some(comment) = comment_in(self.token_text()) {
                        self.break_line(Some(comment));
                    }
                }
                _ => break,
            }
        }
        self.at -= 1;
        self.word("/-");
        self.before = Before::Glue;
    }

    /// Writes consecutive line continuations. Returns whether the node ends there nevertheless.
    fn continued(&mut self) -> bool {
        let mut comments = Vec::new();
        while let Some(TokenKind::Continue | TokenKind::Space) = self.peek() {
            comments.extend(comment_in(self.token_text()));
            self.at += 1;
        }
        let is_last = matches!(
            self.peek(),
            None | Some(
                TokenKind::Newline | TokenKind::End | TokenKind::Close | TokenKind::LineComment
            )
        );
        match comments.split_first() {
            None if is_last => return false,
            None => self.break_line(None),
            Some((first, others)) if is_last => {
                self.word(first);
                for comment in others {
                    self.line();
                    self.word(comment);
                }
                return true;
            }
            Some(_) => comments
                .iter()
                .for_each(|comment| self.break_line(Some(comment))),
        }
        false
    }

    fn break_line(&mut self, comment: Option<&str>) {
        match (self.before, comment) {
            // The `\` has already been written.
            (Before::Continued(at), Some(_)) if self.out[..at].ends_with('\\') => {
                self.out.truncate(at);
            }
            (Before::Continued(_), None) => return,
            (Before::Nothing | Before::Continued(_), _) => self.out.push('\\'),
            (Before::Glue | Before::Word, _) => self.out += " \\",
        }
        if let Some(comment) = comment {
            self.out.push(' ');
            self.out += comment;
        }
        let at = self.out.len();
        self.depth += 1;
        self.line();
        self.depth -= 1;
        self.before = Before::Continued(at);
    }

    fn block(&mut self) {
        if let Some((inside, close)) = self.short() {
            self.word(&inside);
            self.at = close;
            return;
        }
        self.word("{");
        self.at += 1;
        let start = self.out.len();
        self.comment_beside();
        self.depth += 1;
        self.nodes();
        self.depth -= 1;
        if self.out.len() > start {
            self.line();
        }
        self.out.push('}');
        self.before = Before::Word;
    }

    /// A block that stays on its line because it has one simple node and fits there, and the index of its closing token.
    fn short(&self) -> Option<(String, usize)> {
        let mut inside = "{".to_owned();
        let (mut is_glued, mut is_over) = (false, false);
        for (at, token) in self.tokens.iter().enumerate().skip(self.at + 1) {
            let text = &self.text[token.span.clone()];
            match token.kind {
                TokenKind::Space => {}
                TokenKind::Value if !is_over => {
                    inside += if is_glued { "" } else { " " };
                    inside += text;
                    is_glued = false;
                }
                TokenKind::Equals => {
                    inside.push('=');
                    is_glued = true;
                }
                TokenKind::End if inside.len() > 1 => is_over = true,
                TokenKind::Close => {
                    let line = self.out.rsplit('\n').next().unwrap_or_default();
                    let length =
                        line.chars().count() + inside.chars().count() + " ".len() * 2 + "}".len();
                    let is_short = inside.len() > 1 && length <= WIDTH && !inside.contains('\n');
                    return is_short.then(|| (inside + " }", at));
                }
                _ => return None,
            }
        }
        None
    }

    /// Writes the comment that follows a `{` or `;` on the same line.
    fn comment_beside(&mut self) {
        let rest = &self.tokens[self.at..];
        let blanks = rest
            .iter()
            .take_while(|it| it.kind == TokenKind::Space)
            .count();
        if rest
            .get(blanks)
            .is_some_and(|it| it.kind == TokenKind::LineComment)
        {
            self.at += blanks;
            self.word(self.token_text().trim_end());
            self.at += 1;
        }
    }
}
