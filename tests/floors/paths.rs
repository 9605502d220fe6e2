//! Extracts from a file's tokens the modules it declares, the paths it names, and its functions.

use std::collections::BTreeSet;

use crate::source::{Token, group_end};

/// A path as written, starting with `crate`, `super`, `self` or a module of the file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub segments: Vec<String>,
    /// The name under which a `use` imports it.
    pub alias: Option<String>,
    pub line: usize,
    /// Whether it is in a `use` that is visible to others.
    pub is_exported: bool,
    /// The enclosing inline modules.
    pub within: Vec<String>,
}

/// A function and its number of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// The modules declared in separate files.
pub(crate) fn modules(tokens: &[Token<'_>]) -> Vec<String> {
    let declared = tokens.windows(3).filter_map(|three| match three {
        [word, name, end] if word.text == "mod" && end.text == ";" => Some(name.text.to_owned()),
        _ => None,
    });
    declared.collect()
}

/// The names of all items.
pub(crate) fn items(tokens: &[Token<'_>]) -> impl Iterator<Item = String> {
    let kinds = "fn struct enum union trait const static type mod";
    let two = tokens.windows(2);
    two.filter(move |two| kinds.split(' ').any(|kind| kind == two[0].text))
        .map(|two| two[1].text.to_owned())
}

/// The identifiers outside `use`.
pub(crate) fn words<'a>(tokens: &[Token<'a>]) -> BTreeSet<&'a str> {
    let mut words = BTreeSet::new();
    let mut is_use = false;
    for token in tokens {
        is_use = token.text == "use" || is_use && token.text != ";";
        if !is_use {
            words.insert(token.text);
        }
    }
    words
}

/// All functions with a body.
pub(crate) fn functions(tokens: &[Token<'_>]) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(name) = tokens.get(at + 1) else {
            break;
        };
        if token.text != "fn" || name.text == "(" {
            continue;
        }
        let mut body = at + 2;
        while let Some(token) = tokens.get(body) {
            match token.text {
                "{" => {
                    let end = tokens[group_end(tokens, body) - 1].line;
                    found.push(Function {
                        name: name.text.to_owned(),
                        line: token.line.min(name.line),
                        lines: end + 1 - name.line,
                    });
                    break;
                }
                ";" => break,
                "(" | "[" => body = group_end(tokens, body),
                _ => body += 1,
            }
        }
    }
    found
}

/// All paths that start with `crate`, `super`, `self` or one of the file's own modules.
pub(crate) fn paths(tokens: &[Token<'_>]) -> Vec<Named> {
    let children = modules(tokens);
    let mut reader = Reader {
        tokens,
        children: &children,
        found: Vec::new(),
        within: Vec::new(),
    };
    reader.file();
    reader.found
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    children: &'a [String],
    found: Vec<Named>,
    /// Inline modules, each with the index after its end.
    within: Vec<(String, usize)>,
}

impl Reader<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    fn file(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            self.within.retain(|(_, end)| at < *end);
            if self.text(at) == "mod" && self.text(at + 2) == "{" {
                let end = group_end(self.tokens, at + 2);
                self.within.push((self.text(at + 1).to_owned(), end));
            }
            if self.text(at) == "use" {
                let is_exported = at > 0 && matches!(self.text(at - 1), "pub" | ")");
                at = self.tree(at + 1, &[], Some(is_exported));
            } else if self.begins_path(at) {
                at = self.tree(at, &[], None);
            } else {
                at += 1;
            }
        }
    }

    fn begins_path(&self, at: usize) -> bool {
        let before = |back: usize| at.checked_sub(back).map_or("", |at| self.text(at));
        // A visibility is not a use.
        let is_visibility = before(1) == "in" && before(2) == "(" && before(3) == "pub";
        self.text(at + 1) == "::"
            && !matches!(before(1), "::" | "$" | ".")
            && !is_visibility
            && self.is_ours(self.text(at))
    }

    fn is_ours(&self, word: &str) -> bool {
        matches!(word, "crate" | "super" | "self") || self.children.iter().any(|it| it == word)
    }

    /// Parses a path, or the tree of a `use`, and returns the index after it. `exported` is `None` outside `use`.
    fn tree(&mut self, start: usize, prefix: &[String], exported: Option<bool>) -> usize {
        let mut segments = prefix.to_vec();
        let mut at = start;
        loop {
            match self.text(at) {
                "{" if exported.is_some() => {
                    let end = group_end(self.tokens, at);
                    at += 1;
                    while at + 1 < end {
                        at = self.tree(at, &segments, exported);
                        at += usize::from(self.text(at) == ",");
                    }
                    return end;
                }
                "self" if !prefix.is_empty() => at += 1,
                word if word == "*"
                    || word.starts_with(|c: char| c.is_alphabetic() || c == '_') =>
                {
                    segments.push(word.to_owned());
                    at += 1;
                }
                _ => break,
            }
            if self.text(at) != "::" {
                break;
            }
            at += 1;
        }
        let mut alias = segments.last().cloned();
        if exported.is_some() && self.text(at) == "as" {
            alias = Some(self.text(at + 1).to_owned());
            at += 2;
        }
        if segments.first().is_some_and(|first| self.is_ours(first)) {
            self.found.push(Named {
                segments,
                alias: exported.and(alias),
                line: self.tokens[start].line,
                is_exported: exported == Some(true),
                within: self.within.iter().map(|(name, _)| name.clone()).collect(),
            });
        }
        at.max(start + 1)
    }
}
