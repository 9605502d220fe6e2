//! What all parts of one load share: the texts, the mistakes, and how much more may be made of them.
//!
//! Text that variables and templates multiply counts against one allowance, so that a small manifest cannot ask for more
//! memory than there is.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Place, SourceId, Sources, in_order};
use crate::spec::rules::Mistake;

/// Mistakes told at most; the rest is only counted.
const MISTAKE_LIMIT: usize = 1000;

/// Bytes of all values after variables, templates and matrices.
const TEXT_LIMIT: usize = 64 * 1024 * 1024;

#[derive(Default)]
pub(super) struct Notes {
    pub sources: Sources,
    pub mistakes: Vec<Diagnostic>,
    /// Whether something could not be read, so that what seems missing may be in it.
    pub incomplete: bool,
    /// Where variables and templates are declared that something uses.
    used: BTreeSet<(SourceId, usize)>,
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

    pub(super) fn tell_all(&mut self, mistakes: Vec<Diagnostic>) {
        for mistake in mistakes {
            self.tell(mistake);
        }
    }

    /// A value without mistake; tells the mistake.
    pub(super) fn accept<T>(&mut self, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.tell(*mistake)).ok()
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

    /// Notes that something uses what is declared at a place.
    pub(super) fn use_of(&mut self, declared: &Place) {
        self.used.insert((declared.source, declared.span.start));
    }

    pub(super) fn is_used(&self, declared: &Place) -> bool {
        self.used.contains(&(declared.source, declared.span.start))
    }

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

/// Leaves out what is said of a value's type where the value was already said to be KDL 1: one mistake, one fix.
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
