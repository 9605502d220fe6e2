//! Parses strings: quoted and raw, on one line or several.

use super::cursor::{Cursor, Noted, is_newline, is_space, syntax};
use crate::diagnostic::Diagnostic;

/// A mistake inside a string: its position in the body, and the message.
struct BadString {
    at: usize,
    len: usize,
    message: String,
    help: &'static str,
}

impl BadString {
    /// Drops the position, which is unknown after transformations of the string.
    fn somewhere(self) -> Self {
        Self { len: 0, ..self }
    }
}

const ESCAPES: &str =
    r##"KDL knows \n \r \t \\ \" \b \f \s \u{…}; a raw string #"…"# takes every `\` literally"##;

impl Cursor<'_> {
    /// Parses a string that begins with `"`.
    pub(super) fn quoted(&mut self) -> Result<String, Noted> {
        let start = self.at;
        if self.eat("\"\"\"") {
            return self.several_lines(start, 0);
        }
        self.at += 1;
        let body = self.at;
        loop {
            self.take_while(|c| !matches!(c, '"' | '\\') && !is_newline(c));
            if self.peek() == Some('"') {
                break;
            }
            if !self.eat("\\") {
                return Err(self.unclosed(start, 1));
            }
            // A `\` before a line break skips the break and the indentation that follows.
            if self.take_while(|c| is_space(c) || is_newline(c)).is_empty() {
                self.at += self.peek().map_or(0, char::len_utf8);
            }
        }
        let text = unescape(&self.text[body..self.at]);
        self.at += 1;
        text.map_err(|wrong| self.wrong_inside(body, wrong))
    }

    /// Parses a string that begins with one or more `#` and a quote.
    pub(super) fn raw(&mut self) -> Result<String, Noted> {
        let start = self.at;
        let hashes = self.take_while(|c| c == '#').len();
        if self.eat("\"\"\"") {
            return self.several_lines(start, hashes);
        }
        self.at += 1;
        let closing = format!("\"{}", "#".repeat(hashes));
        let body = self.at;
        loop {
            self.take_while(|c| c != '"' && !is_newline(c));
            let end = self.at;
            if self.eat(&closing) {
                return Ok(self.text[body..end].to_owned());
            }
            if !self.eat("\"") {
                return Err(self.unclosed(start, hashes + 1));
            }
        }
    }

    /// Parses the rest of a `"""` string, which is raw if it has hashes.
    fn several_lines(&mut self, start: usize, hashes: usize) -> Result<String, Noted> {
        let opening = self.at - start;
        if !self.newline() {
            let place = self.place(start, self.at);
            self.take_while(|c| !is_newline(c));
            return Err(self.note(
                syntax(
                    "a `\"\"\"` string begins on the line after its quotes",
                    place,
                    "a line break must follow",
                )
                .help("for a string of one line write `\"…\"`"),
            ));
        }
        let body = self.at;
        let closing = format!("\"\"\"{}", "#".repeat(hashes));
        let Some(len) = end_of_body(self.rest(), &closing, hashes > 0) else {
            return Err(self.unclosed(start, opening));
        };
        let inside = &self.text[body..body + len];
        let text = if hashes > 0 {
            dedent(inside)
        } else {
            let resolved = without_space_escapes(inside);
            dedent(&resolved)
                .and_then(|text| unescape(&text).map_err(BadString::somewhere))
                .map_err(|wrong| {
                    if resolved.len() == inside.len() {
                        wrong
                    } else {
                        wrong.somewhere()
                    }
                })
        };
        self.at = body + len + closing.len();
        text.map_err(|wrong| match wrong.len {
            0 => {
                let place = self.place(start, start + opening);
                let mistake = Diagnostic::error("syntax", wrong.message);
                self.note(mistake.at(place, "in this string").help(wrong.help))
            }
            _ => self.wrong_inside(body, wrong),
        })
    }

    fn wrong_inside(&mut self, body: usize, wrong: BadString) -> Noted {
        let place = self.place(body + wrong.at, body + wrong.at + wrong.len);
        self.note(syntax(wrong.message, place, "").help(wrong.help))
    }

    fn unclosed(&mut self, start: usize, opening: usize) -> Noted {
        let place = self.place(start, start + opening);
        let several = opening > 2 && self.text[start..].contains("\"\"\"");
        self.at = start + opening;
        self.take_while(|c| !is_newline(c));
        let noted = self.note(
            syntax("a string is never closed", place, "begins here").help(if several {
                "close it with the same quotes and hashes, on a line of their own"
            } else {
                "close it on the same line; a multi-line string begins and ends with `\"\"\"`"
            }),
        );
        if several {
            self.give_up();
        }
        noted
    }
}

fn end_of_body(rest: &str, closing: &str, raw: bool) -> Option<usize> {
    if raw {
        return rest.find(closing);
    }
    let mut at = 0;
    while let Some(found) = rest[at..].find(['\\', '"']) {
        at += found;
        if rest[at..].starts_with(closing) {
            return Some(at);
        }
        let escape = rest[at..].starts_with('\\');
        at += 1;
        if escape {
            at += rest[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    None
}

/// Removes the indentation of the closing quotes from every line.
fn dedent(body: &str) -> Result<String, BadString> {
    let mut lines = lines_of(body);
    let (_, prefix) = lines.pop().unwrap_or((0, ""));
    if !prefix.chars().all(is_space) {
        return Err(BadString {
            at: 0,
            len: 0,
            message: "the closing `\"\"\"` comes after text".into(),
            help: "put the closing quotes on a line of their own; their indentation is removed from every line",
        });
    }
    let mut text = Vec::new();
    for (at, line) in lines {
        if line.chars().all(is_space) {
            text.push("");
        } else if let Some(line) = line.strip_prefix(prefix) {
            text.push(line);
        } else {
            return Err(BadString {
                at,
                len: line.len(),
                message: "a line of this string is indented less than its closing quotes".into(),
                help: "the indentation of the closing `\"\"\"` is removed from every line, so every line must have it",
            });
        }
    }
    Ok(text.join("\n"))
}

/// Resolves `\` before whitespace, which precedes all other processing in multi-line strings.
fn without_space_escapes(body: &str) -> String {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let trimmed = after.trim_start_matches(|c| is_space(c) || is_newline(c));
        if trimmed.len() < after.len() {
            rest = trimmed;
        } else {
            let len = 1 + after.chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[at..at + len]);
            rest = &rest[at + len..];
        }
    }
    out + rest
}

fn unescape(body: &str) -> Result<String, BadString> {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(found) = rest.find('\\') {
        out.push_str(&rest[..found]);
        let at = body.len() - rest.len() + found;
        rest = &rest[found + 1..];
        let Some(c) = rest.chars().next() else { break };
        rest = &rest[c.len_utf8()..];
        match c {
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            's' => out.push(' '),
            '\\' | '"' => out.push(c),
            'u' => {
                let (c, len) = code_point(rest).ok_or_else(|| BadString {
                    at,
                    len: 2,
                    message: "`\\u` needs a code point in braces".into(),
                    help: "write one to six hexadecimal digits of a Unicode character, such as `\\u{e9}`",
                })?;
                out.push(c);
                rest = &rest[len..];
            }
            c if is_space(c) || is_newline(c) => {
                rest = rest.trim_start_matches(|c| is_space(c) || is_newline(c));
            }
            c => {
                return Err(BadString {
                    at,
                    len: 1 + c.len_utf8(),
                    message: format!("`\\{c}` is not an escape"),
                    help: ESCAPES,
                });
            }
        }
    }
    Ok(out + rest)
}

/// The character denoted by `{e9}`, and the length of that notation.
fn code_point(rest: &str) -> Option<(char, usize)> {
    let (digits, _) = rest.strip_prefix('{')?.split_once('}')?;
    let hex = (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?).filter(|_| hex)?;
    Some((c, digits.len() + 2))
}

/// The lines of a text with their byte offsets. Line breaks have one to three bytes.
fn lines_of(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        if !is_newline(char) {
            continue;
        }
        lines.push((start, &text[start..at]));
        start = at + char.len_utf8();
        if char == '\r' && chars.next_if(|(_, next)| *next == '\n').is_some() {
            start += 1;
        }
    }
    lines.push((start, &text[start..]));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_begin_where_they_stand_whatever_ends_the_one_before() {
        // Found by fuzzing: after a line break of several bytes, the place of a mistake was inside a character.
        let lines = lines_of("a\r\nb\u{85}c\u{2028}é\nd");
        assert_eq!(lines, [(0, "a"), (3, "b"), (6, "c"), (10, "é"), (13, "d")]);
    }
}
