//! What a check tells: mistakes, and lints unless a manifest allows them.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Label, Place, SourceId};
use crate::workspace::{Allows, Image};

/// What is told so far.
pub(super) struct Told {
    pub list: Vec<Diagnostic>,
    pub allows: Allows,
    ambiguous: BTreeSet<(SourceId, usize)>,
}

impl Told {
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

    /// Whether it was told that a base may be meant to be one of the workspace: then what else it is is no matter yet.
    pub(super) fn is_ambiguous(&self, place: Option<&Place>) -> bool {
        place.is_some_and(|place| self.ambiguous.contains(&(place.source, place.span.start)))
    }

    /// Tells what a lint found in an image, unless it is allowed there or in the image's file.
    pub(super) fn lint(&mut self, image: &Image, found: Diagnostic) {
        if self.allows.take(&image.allows, found.code) {
            return;
        }
        if let ("ambiguous-base", Some(Label { place, .. })) = (found.code, &found.place) {
            self.ambiguous.insert((place.source, place.span.start));
        }
        self.list.push(found);
    }
}
