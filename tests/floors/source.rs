//! Tokenizes a Rust file, without comments, strings and tests, which may name anything.
//!
//! A small lexer instead of a parser crate: paths, braces and names are all that the check needs.

/// A token and its line number, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// An identifier, `::`, or one character; strings and numbers are `""`.
    pub text: &'a str,
    pub line: usize,
}

/// The tokens of non-test code.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
    };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token() {
        tokens.push(token);
    }
    without_tests(&tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lexer<'a> {
    fn token(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = &self.text[self.at..];
            let line = self.line;
            let first = rest.chars().next()?;
            let word = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            let length = if first.is_whitespace() {
                first.len_utf8()
            } else if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                block_comment(rest)
            } else if let Some(length) = literal(rest) {
                self.skip(length);
                return Some(Token { text: "", line });
            } else if first == '\'' {
                // A lifetime.
                1 + rest[1..].find(|c: char| !is_word(c)).unwrap_or(0)
            } else {
                let length = if word > 0 {
                    word
                } else if rest.starts_with("::") {
                    2
                } else {
                    first.len_utf8()
                };
                self.skip(length);
                let text = if first.is_ascii_digit() {
                    ""
                } else {
                    &rest[..length]
                };
                return Some(Token { text, line });
            };
            self.skip(length);
        }
    }

    fn skip(&mut self, length: usize) {
        self.line += self.text[self.at..self.at + length].matches('\n').count();
        self.at += length;
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of a block comment, including nested ones.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The length of the string or character literal, of any kind, at the start of a text.
fn literal(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix);
        after.is_some_and(|after| {
            let raw = prefix.ends_with('r') && after.trim_start_matches('#').starts_with('"');
            raw || !prefix.ends_with('r') && after.starts_with(['"', '\''])
        })
    })?;
    let after = &rest[prefix.len()..];
    let length = if prefix.ends_with('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let start = hashes + 1;
        after[start..]
            .find(&end)
            .map_or(after.len(), |at| start + at + end.len())
    } else if after.starts_with('"') {
        escaped(after, '"')
    } else {
        let mut inner = after[1..].chars();
        let first = inner.next()?;
        // `'a'` is a character, `'a` a lifetime.
        if first != '\\' && inner.next() != Some('\'') {
            return None;
        }
        escaped(after, '\'')
    };
    Some(prefix.len() + length)
}

/// The length of a text up to the next unescaped occurrence of a character.
fn escaped(text: &str, end: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if !is_escaped && c == end {
            return at + c.len_utf8();
        }
        is_escaped = !is_escaped && c == '\\';
    }
    text.len()
}

/// Removes everything under `#[cfg(test)]`.
fn without_tests<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let starts = |at: usize, words: &[&str]| {
        let here = tokens[at..].iter().map(|token| token.text);
        here.take(words.len()).eq(words.iter().copied())
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if starts(at, &["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
            return Vec::new();
        }
        let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
        if starts(at, &attribute) || starts(at, &["#", "[", "cfg", "(", "all", "(", "test"]) {
            at = item_end(tokens, group_end(tokens, at + 1));
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

/// The index after the bracket that closes the one at `open`.
pub(crate) fn group_end(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The index after an item, field or statement: its `;`, its braces, or, for a field, its comma.
fn item_end(tokens: &[Token<'_>], start: usize) -> usize {
    let mut at = start;
    while tokens.get(at).is_some_and(|token| token.text == "#") {
        at = group_end(tokens, at + 1);
    }
    let mut is_item = false;
    while let Some(token) = tokens.get(at) {
        match token.text {
            "{" => {
                let end = group_end(tokens, at);
                let next = tokens.get(end).map_or("", |token| token.text);
                return end + usize::from(matches!(next, ";" | ","));
            }
            "(" | "[" => at = group_end(tokens, at),
            ";" => return at + 1,
            "," if !is_item => return at + 1,
            ")" | "]" | "}" => return at,
            "fn" | "mod" | "use" | "impl" | "struct" | "enum" | "const" | "static" | "type"
            | "trait" => {
                is_item = true;
                at += 1;
            }
            _ => at += 1,
        }
    }
    at
}
