//! Character classes, and a cursor that skips whitespace and comments.

use crate::diagnostic::{Diagnostic, Place, SourceId};

pub(super) const DEPTH_LIMIT: usize = 64;

const MISTAKE_LIMIT: usize = 50;

/// How many nodes and values the manifests of a workspace may contain. Each takes up to 200 bytes; 10,000 images need less than
/// half of them.
pub(in crate::manifest) const PART_LIMIT: usize = 1_000_000;

/// Indicates that a mistake was reported and the caller must resynchronize.
pub(super) struct Noted;

pub(super) fn is_newline(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{85}' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}'
    )
}

pub(super) fn is_space(c: char) -> bool {
    matches!(
        c,
        '\t' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Whether KDL forbids the character everywhere: control characters, and marks that reorder displayed text.
pub(super) fn is_forbidden(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{8}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'
            | '\u{200e}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// Whether a byte may begin a forbidden character.
pub(super) fn begins_forbidden(byte: u8) -> bool {
    matches!(byte, 0..=0x8 | 0xe..=0x1f | 0x7f | 0xe2 | 0xef)
}

pub(super) fn is_word(c: char) -> bool {
    !is_space(c)
        && !is_newline(c)
        && !matches!(
            c,
            '\\' | '/' | '(' | ')' | '{' | '}' | '[' | ']' | ';' | '"' | '#' | '='
        )
}

/// A syntax error.
pub(super) fn syntax(
    message: impl Into<String>,
    place: Place,
    label: impl Into<String>,
) -> Diagnostic {
    Diagnostic::error("syntax", message).at(place, label)
}

/// The position of the parser in a text, and the mistakes so far.
pub(super) struct Cursor<'a> {
    pub text: &'a str,
    pub at: usize,
    source: SourceId,
    pub mistakes: Vec<Diagnostic>,
    pub given_up: bool,
    /// Whether all blocks match up.
    pub sound: bool,
    /// The number of open blocks.
    pub depth: usize,
    /// How many nodes and values there are so far, in this text and those before it.
    pub parts: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, source: SourceId) -> Self {
        Self {
            text,
            at: 0,
            source,
            mistakes: Vec::new(),
            given_up: false,
            sound: true,
            depth: 0,
            parts: 0,
        }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn starts(&self, with: &str) -> bool {
        self.rest().starts_with(with)
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.starts(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    pub(super) fn place(&self, start: usize, end: usize) -> Place {
        Place::new(self.source, start..end)
    }

    /// The place of the next character; empty at the end.
    pub(super) fn here(&self) -> Place {
        let next = self.peek().filter(|c| !is_newline(*c));
        self.place(self.at, self.at + next.map_or(0, char::len_utf8))
    }

    pub(super) fn note(&mut self, diagnostic: Diagnostic) -> Noted {
        if self.mistakes.len() < MISTAKE_LIMIT {
            self.mistakes.push(diagnostic);
        } else {
            self.give_up();
        }
        Noted
    }

    /// Counts one more node or value; one too many ends the walk.
    pub(super) fn count_part(&mut self) {
        self.parts += 1;
        if self.parts > PART_LIMIT {
            let message = format!("the manifests have more than {PART_LIMIT} nodes and values");
            self.note(
                Diagnostic::error("too-large", message)
                    .at(self.here(), "one too many")
                    .help(
                        "write what images have in common once: in a `template`, or in `defaults`",
                    ),
            );
            self.give_up();
        }
    }

    /// Stops parsing where further mistakes would only be consequences of earlier ones.
    pub(super) fn give_up(&mut self) {
        self.sound = false;
        self.at = self.text.len();
        self.given_up = true;
    }

    /// Skips spaces, `/* */` and line continuations. Returns whether there were any.
    pub(super) fn node_space(&mut self) -> bool {
        let start = self.at;
        loop {
            self.take_while(is_space);
            let more = (self.starts("\\") && self.continued_line())
                || (self.starts("/*") && self.block_comment());
            if !more {
                return self.at > start;
            }
        }
    }

    /// Skips everything that is allowed between nodes and has no meaning.
    pub(super) fn line_space(&mut self) {
        loop {
            let start = self.at;
            self.node_space();
            self.take_while(is_newline);
            if self.starts("//") {
                self.take_while(|c| !is_newline(c));
            }
            if self.at == start {
                return;
            }
        }
    }

    /// Skips a `\` followed by only spaces and a comment up to the end of the line.
    pub(super) fn continued_line(&mut self) -> bool {
        let start = self.at;
        self.at += 1;
        self.take_while(is_space);
        if self.starts("//") {
            self.take_while(|c| !is_newline(c));
        }
        if self.newline() || self.peek().is_none() {
            return true;
        }
        self.at = start;
        false
    }

    /// Skips one newline, where `\r\n` counts as one.
    pub(super) fn newline(&mut self) -> bool {
        if self.eat("\r\n") {
            return true;
        }
        let found = self.peek().filter(|c| is_newline(*c));
        self.at += found.map_or(0, char::len_utf8);
        found.is_some()
    }

    /// Skips a `/* … */`, which may be nested. Stops parsing if it is unclosed or nested too deeply.
    pub(super) fn block_comment(&mut self) -> bool {
        let start = self.at;
        let mut depth = 0;
        loop {
            if self.eat("/*") {
                depth += 1;
                if depth > DEPTH_LIMIT {
                    self.too_deep(self.at - 2, "comments", "comment");
                    return true;
                }
            } else if self.eat("*/") {
                depth -= 1;
                if depth == 0 {
                    return true;
                }
            } else if let Some(c) = self.peek() {
                self.at += c.len_utf8();
            } else {
                let place = self.place(start, start + 2);
                self.note(
                    syntax("a comment is never closed", place, "begins here")
                        .help("close it with `*/`"),
                );
                self.give_up();
                return true;
            }
        }
    }

    pub(super) fn too_deep(&mut self, at: usize, many: &str, one: &str) {
        let place = self.place(at, at + 1);
        let message = format!("{many} are nested more than {DEPTH_LIMIT} deep");
        self.note(
            Diagnostic::error("too-deep", message)
                .at(place, format!("one {one} too many"))
                .help("nothing in a manifest needs to be nested this deep"),
        );
        self.give_up();
    }
}
