//! Parses a single value: a string, a word, a number or a keyword.

use super::cursor::{Cursor, Noted, is_newline, is_word, syntax};
use super::node::{Data, Value};
use crate::diagnostic::Diagnostic;

impl Cursor<'_> {
    pub(super) fn value(&mut self) -> Result<Value, Noted> {
        let start = self.at;
        let data = match self.peek() {
            Some('"') => Data::Text {
                text: self.quoted()?,
                quoted: true,
            },
            Some('#') => self.hash()?,
            Some(c) if is_word(c) => self.bare()?,
            _ => return Err(self.stranger()),
        };
        Ok(Value {
            data,
            place: self.place(start, self.at),
        })
    }

    fn hash(&mut self) -> Result<Data, Noted> {
        if self.rest().trim_start_matches('#').starts_with('"') {
            return Ok(Data::Text {
                text: self.raw()?,
                quoted: false,
            });
        }
        let start = self.at;
        self.at += 1;
        let word = self.take_while(is_word);
        keyword(word).ok_or_else(|| {
            let place = self.place(start, self.at);
            self.note(
                syntax(format!("`#{word}` is not a keyword"), place, "").help(
                    "a comment begins with `//`; the keywords are `#true`, `#false` and `#null`",
                ),
            )
        })
    }

    /// Parses an unquoted word or a number.
    fn bare(&mut self) -> Result<Data, Noted> {
        let start = self.at;
        let word = self.take_while(is_word);
        if word == "r" && (self.starts("\"") || self.starts("#\"") || self.starts("##")) {
            return self.old_raw(start);
        }
        let place = self.place(start, self.at);
        if let Some(keyword) = keyword(word) {
            self.note(
                Diagnostic::error("kdl-1", format!("`{word}` is KDL 1"))
                    .at(place, format!("KDL 2 writes `#{word}`"))
                    .help(format!("write `#{word}` or, for the string, `\"{word}\"`"))
                    .fix(place, format!("#{word}")),
            );
            return Ok(keyword);
        }
        if !looks_like_number(word) {
            return Ok(Data::Text {
                text: word.to_owned(),
                quoted: false,
            });
        }
        if is_number(word) {
            return Ok(Data::Number(word.to_owned()));
        }
        Err(self.note(
            syntax(
                format!("`{word}` is neither a number nor a word"),
                place,
                "strings that begin like a number need quotes",
            )
            .fix(place, format!("\"{word}\"")),
        ))
    }

    /// Parses `r"…"` and `r#"…"#`, which KDL 2 writes without the `r`.
    fn old_raw(&mut self, start: usize) -> Result<Data, Noted> {
        let r = self.place(start, start + 1);
        let hashed = self.starts("#");
        let text = if hashed { self.raw()? } else { self.quoted()? };
        let place = self.place(start, self.at);
        let written = &self.text[start + 1..self.at];
        let hash = if hashed { "" } else { "#" };
        let mended = format!("{hash}{written}{hash}");
        self.note(
            Diagnostic::error("kdl-1", "a raw string with `r` is KDL 1")
                .at(r, "KDL 2 writes `#\"…\"#`")
                .fix(place, mended),
        );
        Ok(Data::Text {
            text,
            quoted: false,
        })
    }

    /// Reports a character that cannot begin a value.
    fn stranger(&mut self) -> Noted {
        let place = self.here();
        let Some(c) = self.peek().filter(|c| !is_newline(*c)) else {
            return self.note(syntax(
                "something is missing here",
                place,
                "a value was expected",
            ));
        };
        let mistake = syntax(format!("a `{c}` is not expected here"), place, "");
        self.at += c.len_utf8();
        self.note(match c {
            '[' | ']' => mistake.help("a list is written without brackets: `packages \"a\" \"b\"`"),
            '/' | '(' | ')' | '=' => mistake.help("strings with these characters need quotes"),
            '\\' => mistake.help("a `\\` continues a line only as its last character"),
            _ => mistake,
        })
    }
}

/// The meaning of a word after a `#`.
fn keyword(word: &str) -> Option<Data> {
    Some(match word {
        "true" => Data::Bool(true),
        "false" => Data::Bool(false),
        "null" => Data::Null,
        "inf" | "-inf" | "nan" => Data::Number(format!("#{word}")),
        _ => return None,
    })
}

/// Whether KDL reserves the word for numbers, because it begins with a digit, optionally after a sign or a dot.
fn looks_like_number(word: &str) -> bool {
    let word = word.strip_prefix(['+', '-']).unwrap_or(word);
    let word = word.strip_prefix('.').unwrap_or(word);
    word.starts_with(|c: char| c.is_ascii_digit())
}

fn is_number(word: &str) -> bool {
    let word = word.strip_prefix(['+', '-']).unwrap_or(word);
    let digits = |text: &str, radix: u32| {
        text.starts_with(|c: char| c.is_digit(radix))
            && text.chars().all(|c| c == '_' || c.is_digit(radix))
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = word.strip_prefix(prefix) {
            return digits(rest, radix);
        }
    }
    let mut parts = word.splitn(2, ['e', 'E']);
    let mut mantissa = parts.next().unwrap_or_default().splitn(2, '.');
    let mut exponent = parts.map(|it| it.strip_prefix(['+', '-']).unwrap_or(it));
    mantissa.all(|part| digits(part, 10)) && exponent.all(|part| digits(part, 10))
}
