//! What a check tells: mistakes, and lints unless a manifest allows them.

use crate::diagnostic::{Diagnostic, Place};
use crate::workspace::{Allows, Image};

/// What is told so far.
pub(super) struct Told {
    pub list: Vec<Diagnostic>,
    pub allows: Allows,
}

impl Told {
    pub(super) fn error(&mut self, mistake: Diagnostic) {
        self.list.push(mistake);
    }

    /// Whether it was told that a base may be meant to be one of the workspace: then what else it is is no matter yet.
    pub(super) fn is_ambiguous(&self, place: Option<&Place>) -> bool {
        let told = self.list.iter().filter(|it| it.code == "ambiguous-base");
        let mut places = told.filter_map(|it| it.place.as_ref());
        places.any(|label| Some(&label.place) == place)
    }

    /// Tells what a lint found in an image, unless it is allowed there or in the image's file.
    pub(super) fn lint(&mut self, image: &Image, found: Diagnostic) {
        if !self.allows.take(&image.allows, found.code) {
            self.list.push(found);
        }
    }
}
