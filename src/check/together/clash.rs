//! Fields that do not go together, told where the image says the one that is to change.

use std::fmt::Display;

use crate::check::told::Told;
use crate::diagnostic::Diagnostic;
use crate::workspace::Image;

/// The clashes in the fields of one image.
pub(super) struct Clashes<'a> {
    pub image: &'a Image,
    pub told: &'a mut Told,
}

impl Clashes<'_> {
    /// A field that is wrong beside the others; `label` says why.
    pub(super) fn at(
        &self,
        field: impl AsRef<str>,
        message: impl Display,
        label: impl Into<String>,
    ) -> Diagnostic {
        let message = format!("image `{}`: {message}", self.image.id);
        let clash = Diagnostic::error("together", message);
        match self.image.places.get(field.as_ref()) {
            Some(place) => clash.at(place.clone(), label),
            None => clash,
        }
    }

    pub(super) fn error(
        &mut self,
        field: impl AsRef<str>,
        message: impl Display,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let clash = self.at(field, message, label);
        self.told.error(clash.help(help));
    }

    /// A field that means nothing beside the others.
    pub(super) fn no_effect(
        &mut self,
        field: &str,
        message: impl Display,
        label: &str,
        help: Option<&str>,
    ) {
        let message = format!("image `{}`: {message}", self.image.id);
        let mut found = Diagnostic::lint("no-effect", message);
        found.help.extend(help.map(str::to_owned));
        let found = match self.image.places.get(field) {
            Some(place) => found.at(place.clone(), label),
            None => found,
        };
        self.told.lint(self.image, found);
    }
}
