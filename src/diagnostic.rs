//! One thing that is wrong (or doubtful) with what the user wrote: data only.
//!
//! `report` draws diagnostics, `check --format json` serialises them. A place is a byte range of a source that [`Sources`]
//! keeps, so that every stage after the parser can still point at the manifest.

pub mod lint;
mod text;

use std::collections::BTreeSet;
use std::ops::Range;

pub(crate) use text::{is_unseen, quoted, shown};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing is built until it is fixed.
    Error,
    /// It may be meant, but should be looked at.
    Warning,
}

/// The index of a text in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A text that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as shown to the user, relative to the workspace root.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// All texts that were read, for excerpts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> SourceId {
        let id = SourceId(u32::try_from(self.0.len()).expect("fewer than 4 billion files"));
        self.0.push(Source {
            path: path.into(),
            text: text.into(),
        });
        id
    }

    /// Makes secrets that stand in the texts unreadable there: no excerpt may show them.
    pub(crate) fn hide(&mut self, secrets: &BTreeSet<String>) {
        if secrets.len() > SECRET_LIMIT {
            let star = |letter: char| match letter {
                '\n' => letter.to_string(),
                letter => "*".repeat(letter.len_utf8()),
            };
            for source in &mut self.0 {
                source.text = source.text.chars().map(star).collect();
            }
            return;
        }
        let lines = secrets.iter().flat_map(|secret| secret.lines());
        for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
            // What is short stands in other words too.
            let forms = if line.len() < 8 {
                vec![format!("\"{line}\""), format!("={line}")]
            } else {
                vec![line.to_owned()]
            };
            for form in forms {
                let hidden = form.replace(line, &"*".repeat(line.len()));
                let texts = self.0.iter_mut().map(|source| &mut source.text);
                for text in texts.filter(|text| text.contains(&form)) {
                    *text = text.replace(&form, &hidden);
                }
            }
        }
    }

    /// The first text that is from a file, not from a flag: the root manifest.
    pub fn first_file(&self) -> Option<SourceId> {
        let at = self
            .0
            .iter()
            .position(|source| !source.path.starts_with("--"))?;
        u32::try_from(at).ok().map(SourceId)
    }

    /// The text of this id.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.0[id.0 as usize]
    }

    /// All texts, in the order in which they were read.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// A place as people and editors write it: `imgspec.kdl:3:5`.
    pub fn words(&self, place: &Place) -> String {
        let (line, column) = self.line_column(place);
        format!("{}:{line}:{column}", self.get(place.source).path)
    }

    /// Line and column of a place, both from 1; the column counts characters.
    pub fn line_column(&self, place: &Place) -> (usize, usize) {
        let text = &self.get(place.source).text;
        let start = text.floor_char_boundary(place.span.start);
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

/// So many different secrets are looked for in the texts; where there are more, nothing of the texts is shown.
const SECRET_LIMIT: usize = 256;

/// A byte range of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The source.
    pub source: SourceId,
    /// The bytes, end excluded.
    pub span: Range<usize>,
}

/// Text that somebody wrote, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spanned {
    /// The value, variables filled in.
    pub text: String,
    /// Where it is written.
    pub place: Place,
    /// Whether the source has exactly this value, so that a fix can replace it there.
    pub plain: bool,
}

impl Spanned {
    /// Text that is written out at its place.
    pub(crate) fn plain(text: impl Into<String>, place: Place) -> Self {
        Self {
            text: text.into(),
            place,
            plain: true,
        }
    }
}

/// A place with a word about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What is underlined.
    pub place: Place,
    /// What stands there or is wrong with it; may be empty.
    pub text: String,
}

/// A sure fix: the text that should stand at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced.
    pub place: Place,
    /// What it is replaced with.
    pub replacement: String,
}

/// The diagnostics without duplicates, in the order of the sources; those without a place come last.
pub fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let order = |it: &Diagnostic| {
        let place = it.place.as_ref().map(|label| &label.place);
        place.map_or((true, None, 0, 0), |place| {
            (false, Some(place.source), place.span.start, place.span.end)
        })
    };
    diagnostics.sort_by_key(order);
    let mut sorted: Vec<Diagnostic> = Vec::new();
    for diagnostic in diagnostics {
        let at = order(&diagnostic);
        let here = sorted.iter().rev().take_while(|it| order(it) == at);
        if !here.into_iter().any(|it| *it == diagnostic) {
            sorted.push(diagnostic);
        }
    }
    sorted
}

/// One mistake or warning. Its texts are in lower case, without a full stop, with names in backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The stable name of its kind, such as `unknown-field`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where it is; none only for mistakes in no file (a flag, a missing manifest).
    pub place: Option<Label>,
    /// Other places that belong to it: the first definition, the hops of a cycle.
    pub related: Vec<Label>,
    /// What to do.
    pub help: Vec<String>,
    /// The fix, where sure.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            place: None,
            related: Vec::new(),
            help: Vec::new(),
            fix: None,
        }
    }

    /// Sets its place.
    pub fn at(mut self, place: Place, text: impl Into<String>) -> Self {
        self.place = Some(Label {
            place,
            text: text.into(),
        });
        self
    }

    /// Adds a further place.
    pub fn with(mut self, place: Place, text: impl Into<String>) -> Self {
        self.related.push(Label {
            place,
            text: text.into(),
        });
        self
    }

    /// Adds what to do.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Adds the fix.
    pub fn fix(mut self, place: Place, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix {
            place,
            replacement: replacement.into(),
        });
        self
    }

    /// A value that must follow a name and does not.
    pub(crate) fn missing(message: impl Into<String>, name: &Place) -> Self {
        Self::error("missing-argument", message).at(name.clone(), "nothing follows")
    }

    /// What may be there once, and is there again.
    pub(crate) fn twice(
        code: &'static str,
        message: impl Into<String>,
        again: &Place,
        first: &Place,
    ) -> Self {
        Self::error(code, message)
            .at(again.clone(), "again here")
            .with(first.clone(), "first here")
    }

    /// Says where an unknown word is: with the one that was probably meant, also as a fix; without one, with `otherwise`.
    pub(crate) fn unknown(self, place: &Place, meant: Option<&str>, otherwise: &str) -> Self {
        let unknown = self.unfixed(place, meant, otherwise);
        match meant {
            Some(meant) => unknown.fix(place.clone(), meant),
            None => unknown,
        }
    }

    /// The same without the fix, where the word is not to be edited.
    pub(crate) fn unfixed(self, place: &Place, meant: Option<&str>, otherwise: &str) -> Self {
        let label = meant.map(|meant| format!("did you mean `{meant}`?"));
        self.at(place.clone(), label.as_deref().unwrap_or(otherwise))
    }

    /// Adds a word on what to do, unless a fix says it.
    pub(crate) fn or_help(self, text: impl Into<String>) -> Self {
        if self.fix.is_some() {
            self
        } else {
            self.help(text)
        }
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The diagnostics as the JSON array of docs/json.md: what `check --format json` prints and `manifests-broken` carries.
pub fn to_json(diagnostics: &[Diagnostic], sources: &Sources) -> serde_json::Value {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let place = diagnostic.place.as_ref().map(|label| &label.place);
            let line_column = place.map(|place| sources.line_column(place));
            serde_json::json!({
                "severity": diagnostic.severity,
                "code": diagnostic.code,
                "message": diagnostic.message,
                "file": place.map(|place| &sources.get(place.source).path),
                "line": line_column.map(|(line, _)| line),
                "column": line_column.map(|(_, column)| column),
                "help": (!diagnostic.help.is_empty()).then(|| diagnostic.help.join("\n")),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_unreadable_and_no_place_moves() {
        let text = "env A=\"né-secret-né\" B=abc C=\"abc\" abcd\nné-secret-né\n";
        let hide = |secrets: BTreeSet<String>| {
            let mut sources = Sources::default();
            let source = sources.add("imgspec.kdl", text);
            sources.hide(&secrets);
            sources.get(source).text.clone()
        };
        let some = ["né-secret-né", "abc"].map(str::to_owned);
        assert_eq!(
            hide(some.into()),
            "env A=\"**************\" B=*** C=\"***\" abcd\n**************\n"
        );
        let all = hide((0..=SECRET_LIMIT).map(|at| at.to_string()).collect());
        assert!(all.chars().all(|letter| letter == '*' || letter == '\n'));
        assert_eq!((all.len(), all.lines().count()), (text.len(), 2));
    }

    #[test]
    fn json_has_the_documented_shape() {
        let mut sources = Sources::default();
        sources.add("other.kdl", "x");
        let source = sources.add("imgspec.kdl", "image \"é\"\n  usr 1\n");
        let span = 13..16;
        let place = Place { source, span };
        let diagnostics = [
            Diagnostic::error("unknown-field", "unknown field `usr`")
                .at(place, "did you mean `user`?")
                .help("one")
                .help("two"),
            Diagnostic::lint("no-effect", "something is odd"),
        ];
        assert_eq!(
            to_json(&diagnostics, &sources),
            serde_json::json!([
                {"severity": "error", "code": "unknown-field", "message": "unknown field `usr`", "file": "imgspec.kdl", "line": 2, "column": 3, "help": "one\ntwo"},
                {"severity": "warning", "code": "no-effect", "message": "something is odd", "file": null, "line": null, "column": null, "help": null},
            ])
        );
    }
}
