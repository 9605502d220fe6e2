//! Collects the results of a check: errors, and lints unless a manifest allows them.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Label, Place, SourceId};
use crate::workspace::{Allows, Image};

/// The results so far.
pub(super) struct Findings {
    pub list: Vec<Diagnostic>,
    pub allows: Allows,
    ambiguous: BTreeSet<(SourceId, usize)>,
}

impl Findings {
    pub(super) fn new(list: Vec<Diagnostic>, allows: Allows) -> Self {
        Self {
            list,
            allows,
            ambiguous: BTreeSet::new(),
        }
    }

    pub(super) fn error(&mut self, mistake: Diagnostic) {
        self.list.push(mistake);
    }

    /// Whether a base has been reported as possibly meaning a workspace image; other lints about it are premature then.
    pub(super) fn is_ambiguous(&self, place: Option<&Place>) -> bool {
        place.is_some_and(|place| self.ambiguous.contains(&(place.source, place.start())))
    }

    /// Reports a lint, unless it is allowed for the image or in the image's file.
    pub(super) fn lint(&mut self, image: &Image, found: Diagnostic) {
        if self.allows.take(&image.allows, found.code) {
            return;
        }
        if let ("ambiguous-base", Some(Label { place, .. })) = (found.code, &found.place) {
            self.ambiguous.insert((place.source, place.start()));
        }
        self.list.push(found);
    }
}
