//! docker-py's interpretation of `.dockerignore`, which differs from Docker's.
//!
//! As in docker-py, case does not matter; a path is matched itself and by as many of its leading directories as the
//! pattern has components; `[!a]` negates; and `\` escapes nothing. Matching uses the same state machine as the real
//! rules, see `fingerprint::ignore`.

use std::iter::Peekable;
use std::str::Chars;

use crate::fingerprint::flytekit::words::strip;
use crate::fingerprint::ignore::pattern::{Token, glob};

#[derive(Debug, Default)]
pub(super) struct Matcher(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    is_exception: bool,
    parts: usize,
    tokens: Vec<Token>,
}

/// The error for a line that is not a valid pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadPattern {
    /// The line, stripped.
    pub(super) text: String,
    pub(super) why: String,
}

impl Matcher {
    pub(super) fn read(text: &str) -> Result<Self, BadPattern> {
        // In Python, a lone carriage return ends a line too.
        let lines = text
            .split(['\n', '\r'])
            .filter(|line| !line.starts_with('#'));
        Self::new(lines.map(strip))
    }

    /// Parses patterns; docker-py adds one of its own.
    fn new<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<Self, BadPattern> {
        patterns
            .chain(["!.dockerignore"])
            .filter_map(|text| Pattern::read(text).transpose())
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a path is excluded: the last matching pattern decides.
    pub(super) fn matches(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let last = self
            .0
            .iter()
            .rfind(|pattern| pattern.matches(&path, folder));
        last.is_some_and(|pattern| !pattern.is_exception)
    }
}

impl Pattern {
    /// Parses a pattern; `None` if nothing is left of it.
    fn read(text: &str) -> Result<Option<Self>, BadPattern> {
        let (is_exception, pattern) = match text.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, text),
        };
        let parts = normal(strip(pattern));
        if parts.is_empty() {
            return Ok(None);
        }
        let tokens = translate(&parts.join("/").to_lowercase()).map_err(|why| BadPattern {
            text: text.to_owned(),
            why,
        })?;
        Ok(Some(Self {
            is_exception,
            parts: parts.len(),
            tokens,
        }))
    }

    /// Whether it matches the path, or its leading directories up to the pattern's number of components.
    fn matches(&self, path: &str, folder: &str) -> bool {
        if self.is_like(path) {
            return true;
        }
        let folders: Vec<&str> = parts(folder).collect();
        !folder.is_empty()
            && folders.len() >= self.parts
            && self.is_like(&folders[..self.parts].join("/"))
    }

    fn is_like(&self, path: &str) -> bool {
        // Python's `$` also matches before a final newline.
        let line = path.strip_suffix('\n');
        glob(&self.tokens, path) || line.is_some_and(|line| glob(&self.tokens, line))
    }
}

/// The components of a path, without empty ones and `.`.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !matches!(*part, "" | "."))
}

/// The components of a pattern with `..` resolved; a `..` that leads outside is dropped.
fn normal(pattern: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for part in parts(pattern) {
        if part == ".." {
            out.pop();
        } else {
            out.push(part);
        }
    }
    out
}

fn translate(pattern: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars().peekable();
    // If one bracket is not closed, later ones are not either. Remembering this avoids searching a long line once per
    // bracket.
    let mut may_close = true;
    while let Some(char) = rest.next() {
        match char {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                if rest.peek().is_none() {
                    tokens.push(Token::Rest);
                } else {
                    tokens.extend([Token::MaybeFolders, Token::Folders]);
                }
            }
            '*' => tokens.push(Token::Star),
            '?' => tokens.push(Token::Any),
            '[' if may_close => {
                let class = class(&mut rest)?;
                may_close = class.is_some();
                tokens.push(class.unwrap_or(Token::Char('[')));
            }
            other => tokens.push(Token::Char(other)),
        }
    }
    Ok(tokens)
}

/// Parses a bracket expression after the opening bracket; `None` if it is not closed.
fn class(rest: &mut Peekable<Chars<'_>>) -> Result<Option<Token>, String> {
    let mut ahead = rest.clone();
    let negated = ahead.next_if_eq(&'!').is_some();
    // A `]` in first position is a literal.
    let mut inside: Vec<char> = ahead.next_if_eq(&']').into_iter().collect();
    loop {
        match ahead.next() {
            None => return Ok(None),
            Some(']') => break,
            Some(char) => inside.push(char),
        }
    }
    *rest = ahead;
    let ranges = ranges(&inside)?;
    Ok(Some(Token::Class { negated, ranges }))
}

fn ranges(inside: &[char]) -> Result<Vec<(char, char)>, String> {
    let mut ranges = Vec::new();
    let mut rest = inside;
    while let Some((&low, after)) = rest.split_first() {
        let (high, after) = match after {
            ['-', high, after @ ..] => (*high, after),
            _ => (low, after),
        };
        if low > high {
            return Err(format!("the range `{low}-{high}` is backwards"));
        }
        ranges.push((low, high));
        rest = after;
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::flytekit::Value;
    use crate::fingerprint::flytekit::tests::{golden, rows};
    use proptest::prelude::*;

    fn left_out(patterns: &[&str], path: &str) -> bool {
        Matcher::new(patterns.iter().copied())
            .unwrap()
            .matches(path)
    }

    #[test]
    fn patterns_match_as_flytekit_says() {
        let table = golden();
        let rows = rows(table.at("tables").at("ignore").at("dockerignore"));
        assert_eq!(rows.len(), 41);
        for row in rows {
            let patterns = row.at("patterns").as_texts().unwrap();
            let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
            let path = row.text("path");
            let verdict = left_out(&patterns, path);
            assert_eq!(
                Value::Bool(verdict),
                *row.at("ignored"),
                "{patterns:?} {path}"
            );
        }
    }

    #[test]
    fn a_file_has_comments_and_any_line_ends() {
        let rules = Matcher::read("#a\r\n #b \rc\n\n!\n\u{a0}d\u{a0}").unwrap();
        let verdicts = ["a", "#a", "#b", "c", "d"].map(|path| rules.matches(path));
        assert_eq!(verdicts, [false, false, true, true, true]);
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        assert!(!left_out(&["a", "!a/b"], "a/b/c"));
        assert!(left_out(&["!a/b", "a"], "a/b/c"));
        assert!(!left_out(&["*"], ".DockerIgnore"));
        assert!(!left_out(&["*"], ".dockerignore/a"));
    }

    #[test]
    fn a_range_that_runs_backwards_is_refused() {
        let bad = Matcher::read("ok\n[z-a]\n").unwrap_err();
        assert_eq!(bad.text, "[z-a]");
        assert_eq!(bad.why, "the range `z-a` is backwards");
        assert!(left_out(&["[a-]"], "-"));
        assert!(left_out(&["[]x]"], "]"));
        assert!(left_out(&["[!]x]"], "a"));
    }

    #[test]
    fn brackets_without_an_end_stand_for_themselves_however_many_there_are() {
        assert!(left_out(&["[]a[b"], "[]a[b"));
        assert!(left_out(&["[a]b[c[d"], "ab[c[d"));
        // 1 MiB of unclosed brackets, which took 10 s when the end of each was searched for.
        let line = "a[".repeat(1 << 19);
        let begun = std::time::Instant::now();
        assert!(!left_out(&[&line], "a["));
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), path in any::<String>()) {
            if let Ok(rules) = Matcher::read(&text) {
                rules.matches(&path);
            }
        }
    }
}
