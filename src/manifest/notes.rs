//! What all parts of one load share: the texts, the mistakes, and how much more may be made of them.
//!
//! The choice made: text that variables and templates multiply counts against one allowance, so that a small manifest
//! cannot ask for more memory than there is.

use crate::diagnostic::{Diagnostic, Place, Sources, in_order};

/// Mistakes told at most; the rest is only counted.
const MISTAKE_LIMIT: usize = 1000;

/// Bytes of all values after variables, templates and matrices.
const TEXT_LIMIT: usize = 64 * 1024 * 1024;

/// Text with its place, variables filled in.
#[expect(clippy::struct_field_names, reason = "it is the text")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub text: String,
    pub place: Place,
    /// Whether it stands in the manifest just so, without variables.
    pub plain: bool,
}

#[derive(Default)]
pub(super) struct Notes {
    pub sources: Sources,
    pub mistakes: Vec<Diagnostic>,
    /// Whether something could not be read, so that what seems missing may be in it.
    pub incomplete: bool,
    untold: usize,
    spent: usize,
}

impl Notes {
    pub(super) fn tell(&mut self, mistake: Diagnostic) {
        if self.mistakes.len() < MISTAKE_LIMIT {
            self.mistakes.push(mistake);
        } else {
            self.untold += 1;
        }
    }

    /// Counts text that was made; says whether there may be more. The first time too much, that is a mistake.
    pub(super) fn spend(&mut self, bytes: usize, place: &Place) -> bool {
        let before = self.spent;
        self.spent = before.saturating_add(bytes);
        if before <= TEXT_LIMIT && self.spent > TEXT_LIMIT {
            self.tell(
                Diagnostic::error("too-large", "the workspace grows beyond 64 MiB of values")
                    .at(place.clone(), "the limit was reached here")
                    .help("variables, templates and matrices multiply what is written"),
            );
        }
        self.spent <= TEXT_LIMIT
    }

    /// Whether no more may be made.
    pub(super) fn is_exhausted(&self) -> bool {
        self.spent > TEXT_LIMIT
    }

    /// All mistakes in the order of the manifests, each once.
    pub(super) fn finish(self) -> (Sources, Vec<Diagnostic>) {
        let mut told = in_order(once_a_word(self.mistakes));
        if self.untold > 0 {
            told.push(Diagnostic::error(
                "too-many",
                format!("there are {} more mistakes", self.untold),
            ));
        }
        (self.sources, told)
    }
}

/// Leaves out what is said of a value's type where the value was already said to be KDL 1: one mistake, one mend.
fn once_a_word(mistakes: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let place = |mistake: &Diagnostic| mistake.place.as_ref().map(|label| label.place.clone());
    let old: Vec<_> = mistakes
        .iter()
        .filter(|mistake| mistake.code == "kdl-1")
        .filter_map(place)
        .collect();
    let mut mistakes = mistakes;
    mistakes.retain(|mistake| {
        mistake.code != "wrong-type" || place(mistake).is_none_or(|place| !old.contains(&place))
    });
    mistakes
}

/// A value as it is shown in a sentence: short, and without characters that would break it.
pub(super) fn shown(value: &str) -> String {
    let mut out = String::new();
    for (count, c) in value.chars().enumerate() {
        if count == 60 {
            return out + "…";
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A text as a manifest writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out + "\""
}
