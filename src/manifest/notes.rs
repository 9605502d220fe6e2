//! The state that all parts of a load share: source texts, mistakes, and limits.
//!
//! Text that variables and templates multiply is charged against a common budget, so that a small manifest cannot exhaust memory.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Place, SourceId, Sources, Spanned, in_order};
use crate::spec::rules::Mistake;
use crate::workspace::{DeclaredName, Meaning, NamedImage, Names};

/// The maximum number of mistakes to report; further ones are only counted.
const MISTAKE_LIMIT: usize = 1000;

/// The maximum total size in bytes of all values after expanding variables, templates and matrices.
const TEXT_LIMIT: usize = 64 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Notes {
    pub sources: Sources,
    pub mistakes: Vec<Diagnostic>,
    /// Whether something could not be read and may contain what seems to be missing.
    pub incomplete: bool,
    /// Places of declared variables and templates that are used.
    used: BTreeSet<(SourceId, usize)>,
    /// What names refer to, if somebody wants to know.
    pub names: Option<Names>,
    untold: usize,
    spent: usize,
}

impl Notes {
    pub(super) fn tell(&mut self, mistake: Diagnostic) {
        self.tell_with(|| mistake);
    }

    /// The same, but the mistake is only constructed when there is room for it: a hostile file can contain a million mistakes.
    pub(super) fn tell_with(&mut self, mistake: impl FnOnce() -> Diagnostic) {
        if self.is_full() {
            self.untold += 1;
        } else {
            self.mistakes.push(mistake());
        }
    }

    /// Whether further mistakes are only counted.
    pub(super) fn is_full(&self) -> bool {
        self.mistakes.len() >= MISTAKE_LIMIT
    }

    pub(super) fn tell_all(&mut self, mistakes: Vec<Diagnostic>) {
        for mistake in mistakes {
            self.tell(mistake);
        }
    }

    /// Unwraps a result, reporting the error.
    pub(super) fn accept<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.tell(*mistake)).ok()
    }

    /// Charges the budget and returns whether it is not exceeded. Reports an error the first time it is.
    pub(super) fn spend(&mut self, bytes: usize, place: &Place) -> bool {
        let before = self.spent;
        self.spent = before.saturating_add(bytes);
        if before <= TEXT_LIMIT && self.spent > TEXT_LIMIT {
            self.tell(
                Diagnostic::error("too-large", "the workspace grows beyond 64 MiB of values")
                    .at(*place, "the limit was reached here")
                    .help("variables, templates and matrices multiply what is written"),
            );
        }
        self.spent <= TEXT_LIMIT
    }

    /// Records that the declaration at a place is used, and by what.
    pub(super) fn use_of(&mut self, declared: &Place, by: &Place) {
        self.used.insert((declared.source, declared.start()));
        if let Some(names) = &mut self.names {
            names.uses.insert(*by, *declared);
        }
    }

    /// Records a declaration; `meaning` is only called if somebody wants to know.
    pub(super) fn declare(&mut self, name: &Spanned, meaning: impl FnOnce() -> Meaning) {
        if let Some(names) = &mut self.names {
            let declared = DeclaredName {
                name: name.text.clone(),
                meaning: meaning(),
            };
            names.declared.insert(name.place, declared);
        }
    }

    /// Records that a value names an image of the workspace.
    pub(super) fn image_named(&mut self, id: &Spanned) {
        if let Some(names) = &mut self.names {
            names.images.insert(NamedImage {
                place: id.place,
                id: id.text.clone(),
                is_plain: id.plain,
            });
        }
    }

    pub(super) fn is_used(&self, declared: &Place) -> bool {
        self.used.contains(&(declared.source, declared.start()))
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.spent > TEXT_LIMIT
    }

    /// Returns the sources and all mistakes, without duplicates and in the order of the manifests.
    pub(super) fn finish(self) -> (Sources, Vec<Diagnostic>) {
        let mut told = in_order(once_a_word(self.mistakes));
        if self.untold > 0 {
            told.push(Diagnostic::error(
                "too-many",
                format!("there are {} more errors", self.untold),
            ));
        }
        (self.sources, told)
    }
}

/// Removes type errors about values already reported as KDL 1, so that there is one mistake with one fix.
fn once_a_word(mistakes: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let place = |mistake: &Diagnostic| mistake.place.as_ref().map(|label| label.place);
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
