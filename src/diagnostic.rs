//! Errors and warnings about the user's files, as data.
//!
//! `report` renders diagnostics, `check --format json` serializes them. A place is a byte range of a source stored in
//! [`Sources`], so that every stage after the parser can still point at the manifest.

pub mod lint;
mod text;

use std::collections::{BTreeSet, HashSet};
use std::iter::repeat_n;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(crate) use text::{is_unseen, quoted, shown};

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Must be fixed before anything is built.
    Error,
    /// Possibly intended, but worth a look.
    Warning,
}

/// The index of a source in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(u32);

/// A source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as displayed, relative to the workspace root.
    pub path: String,
    /// The complete text.
    pub text: String,
    /// The offsets at which its lines begin, computed on first use: thousands of places may be looked up in one text.
    lines: OnceLock<Vec<usize>>,
}

/// All source texts, for rendering excerpts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    all: Vec<Source>,
    folder: PathBuf,
}

impl Sources {
    /// Says which directory the paths of files are relative to.
    pub(crate) fn put_below(&mut self, folder: &Path) {
        folder.clone_into(&mut self.folder);
    }

    /// The directory that the paths of files are relative to; empty if it is not known.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a source.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> SourceId {
        let id = SourceId(u32::try_from(self.all.len()).expect("fewer than 4 billion files"));
        self.all.push(Source {
            path: path.into(),
            text: text.into(),
            lines: OnceLock::new(),
        });
        id
    }

    /// Masks secrets in the texts, so that no excerpt can reveal them.
    pub(crate) fn hide(&mut self, secrets: &BTreeSet<String>) {
        if secrets.len() > SECRET_LIMIT {
            let star = |letter: char| match letter {
                '\n' => repeat_n('\n', 1),
                letter => repeat_n('*', letter.len_utf8()),
            };
            for source in &mut self.all {
                source.text = source.text.chars().flat_map(star).collect();
            }
            return;
        }
        let lines = secrets.iter().flat_map(|secret| secret.lines());
        for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
            // Short values may also occur as parts of other words.
            let forms = if line.len() < 8 {
                vec![format!("\"{line}\""), format!("={line}")]
            } else {
                vec![line.to_owned()]
            };
            for form in forms {
                let hidden = form.replace(line, &"*".repeat(line.len()));
                let texts = self.all.iter_mut().map(|source| &mut source.text);
                for text in texts.filter(|text| text.contains(&form)) {
                    *text = text.replace(&form, &hidden);
                }
            }
        }
    }

    /// The first source that is a file rather than a flag: the root manifest.
    pub fn first_file(&self) -> Option<SourceId> {
        let at = self
            .all
            .iter()
            .position(|source| !source.path.starts_with("--"))?;
        u32::try_from(at).ok().map(SourceId)
    }

    /// Returns the source with this id.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.all[id.0 as usize]
    }

    /// The ids of all sources, in the order in which they were read.
    pub fn ids(&self) -> impl Iterator<Item = SourceId> + use<> {
        let count = u32::try_from(self.all.len()).expect("fewer than 4 billion files");
        (0..count).map(SourceId)
    }

    /// All sources, in the order in which they were read.
    pub fn all(&self) -> impl Iterator<Item = &Source> {
        self.all.iter()
    }

    /// Formats a place as editors do: `imgspec.kdl:3:5`.
    pub fn words(&self, place: &Place) -> String {
        let (line, column) = self.line_column(place);
        format!("{}:{line}:{column}", self.get(place.source).path)
    }

    /// Line and column of a place, from 1; columns count characters.
    pub fn line_column(&self, place: &Place) -> (usize, usize) {
        let source = self.get(place.source);
        let at = source.text.floor_char_boundary(place.start());
        let (line, bytes) = source.line(at);
        let column = source.text[bytes.start..at].chars().count() + 1;
        (line, column)
    }
}

impl Source {
    /// The line that contains an offset: its number, from 1, and its range without the line break.
    pub(crate) fn line(&self, at: usize) -> (usize, Range<usize>) {
        let starts = self.lines.get_or_init(|| {
            let ends = self.text.match_indices('\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(ends).collect()
        });
        let line = starts.partition_point(|start| *start <= at);
        let end = starts.get(line).map_or(self.text.len(), |next| next - 1);
        (line, starts[line - 1]..end)
    }
}

/// The maximum number of different secrets to mask one by one; with more than that, all text is masked.
const SECRET_LIMIT: usize = 256;

/// A byte range of one source, of at most 4 GiB: a workspace has hundreds of thousands of them, so each is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The source text.
    pub source: SourceId,
    start: u32,
    end: u32,
}

impl Place {
    /// The place of some bytes of a source.
    pub fn new(source: SourceId, span: Range<usize>) -> Self {
        // No source comes close to this size; beyond it, places would be at its end.
        let small = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            source,
            start: small(span.start),
            end: small(span.end),
        }
    }

    /// Where it begins.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// Where it ends.
    pub fn end(self) -> usize {
        self.end as usize
    }

    /// The byte range.
    pub fn span(self) -> Range<usize> {
        self.start()..self.end()
    }
}

/// A string with its place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spanned {
    /// The value, with variables substituted.
    pub text: String,
    /// Its place in the source.
    pub place: Place,
    /// Whether the source spells out exactly this value, so that a fix can replace it there.
    pub plain: bool,
}

impl Spanned {
    /// A value that is spelled out in the source.
    pub(crate) fn plain(text: impl Into<String>, place: Place) -> Self {
        Self {
            text: text.into(),
            place,
            plain: true,
        }
    }
}

/// A place with an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    /// What to underline.
    pub place: Place,
    /// Explanation; may be empty.
    pub text: String,
}

/// An unambiguous fix: the text that should be at a place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fix {
    /// What to replace.
    pub place: Place,
    /// The new text.
    pub replacement: String,
}

/// Sorts diagnostics by source and removes duplicates; those without a place come last.
pub fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let place = |it: &Diagnostic| it.place.as_ref().map(|label| label.place);
    diagnostics.sort_by_key(|it| (it.place.is_none(), place(it)));
    // Only those at one place can be the same, but there may be many: comparing each with all of them would be quadratic.
    let is_new = |there: &[Diagnostic]| -> Vec<bool> {
        let mut seen = HashSet::new();
        let is_alone = there.len() == 1;
        there.iter().map(|it| is_alone || seen.insert(it)).collect()
    };
    let places = diagnostics.chunk_by(|one, other| place(one) == place(other));
    let is_new: Vec<bool> = places.flat_map(is_new).collect();
    let mut is_new = is_new.into_iter();
    diagnostics.retain(|_| is_new.next().unwrap_or(true));
    diagnostics
}

/// An error or warning. Its texts start in lower case, have no full stop, and put names in backticks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The stable name of the kind of problem, such as `unknown-field`.
    pub code: &'static str,
    /// The problem, in one sentence.
    pub message: String,
    /// Where the problem is; `None` only for problems outside files (a flag, a missing manifest).
    pub place: Option<Label>,
    /// Related places: the first definition, the hops of a cycle.
    pub related: Vec<Label>,
    /// Suggestions for fixing the problem.
    pub help: Vec<String>,
    /// The fix, if it is unambiguous.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// An error, as yet without a place.
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

    /// Sets the place.
    pub fn at(mut self, place: Place, text: impl Into<String>) -> Self {
        self.place = Some(Label {
            place,
            text: text.into(),
        });
        self
    }

    /// Adds a related place.
    pub fn with(mut self, place: Place, text: impl Into<String>) -> Self {
        self.related.push(Label {
            place,
            text: text.into(),
        });
        self
    }

    /// Adds a suggestion.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Sets the fix.
    pub fn fix(mut self, place: Place, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix {
            place,
            replacement: replacement.into(),
        });
        self
    }

    /// The error for a name that is not followed by its value.
    pub(crate) fn missing(message: impl Into<String>, name: &Place) -> Self {
        Self::error("missing-argument", message).at(*name, "nothing follows")
    }

    /// The error for a repetition of something that may occur only once.
    pub(crate) fn twice(
        code: &'static str,
        message: impl Into<String>,
        again: &Place,
        first: &Place,
    ) -> Self {
        Self::error(code, message)
            .at(*again, "again here")
            .with(*first, "first here")
    }

    /// Sets the place of an unknown word, with the word that was probably meant as a fix or, if there is none, with `otherwise`.
    pub(crate) fn unknown(self, place: &Place, meant: Option<&str>, otherwise: &str) -> Self {
        let unknown = self.unfixed(place, meant, otherwise);
        match meant {
            Some(meant) => unknown.fix(*place, meant),
            None => unknown,
        }
    }

    /// Like [`Self::unknown`] but without a fix, for words that should not be edited.
    pub(crate) fn unfixed(self, place: &Place, meant: Option<&str>, otherwise: &str) -> Self {
        let label = meant.map(|meant| format!("did you mean `{meant}`?"));
        self.at(*place, label.as_deref().unwrap_or(otherwise))
    }

    /// Adds a suggestion unless there is a fix.
    pub(crate) fn or_help(self, text: impl Into<String>) -> Self {
        if self.fix.is_some() {
            self
        } else {
            self.help(text)
        }
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Converts diagnostics to the JSON array described in docs/json.md, as printed by `check --format json` and contained in
/// `manifests-broken`.
pub fn to_json(diagnostics: &[Diagnostic], sources: &Sources) -> serde_json::Value {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let place = diagnostic.place.as_ref().map(|label| &label.place);
            let label = diagnostic.place.as_ref().map(|label| label.text.as_str());
            let line_column = place.map(|place| sources.line_column(place));
            serde_json::json!({
                "severity": diagnostic.severity,
                "code": diagnostic.code,
                "message": diagnostic.message,
                "file": place.map(|place| &sources.get(place.source).path),
                "line": line_column.map(|(line, _)| line),
                "column": line_column.map(|(_, column)| column),
                "label": label.filter(|text| !text.is_empty()),
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
        let place = Place::new(source, span);
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
                {"severity": "error", "code": "unknown-field", "message": "unknown field `usr`", "file": "imgspec.kdl", "line": 2, "column": 3, "label": "did you mean `user`?", "help": "one\ntwo"},
                {"severity": "warning", "code": "no-effect", "message": "something is odd", "file": null, "line": null, "column": null, "label": null, "help": null},
            ])
        );
    }
}
