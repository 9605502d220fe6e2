//! Reports invalid combinations of fields at the place of the field to change.

use std::fmt::Display;

use crate::check::findings::Findings;
use crate::diagnostic::Diagnostic;
use crate::workspace::Image;

/// The invalid field combinations of one image.
pub(super) struct Clashes<'a> {
    pub image: &'a Image,
    pub findings: &'a mut Findings,
}

impl Clashes<'_> {
    /// An error about a field that conflicts with others; `label` gives the reason.
    pub(super) fn at(
        &self,
        field: impl AsRef<str>,
        message: impl Display,
        label: impl Into<String>,
    ) -> Diagnostic {
        let message = format!("image `{}`: {message}", self.image.id);
        let clash = Diagnostic::error("together", message);
        match self.image.places.get(field.as_ref()) {
            Some(place) => clash.at(*place, label),
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
        self.findings.error(clash.help(help));
    }

    /// Reports a field that has no effect in combination with the others.
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
            Some(place) => found.at(*place, label),
            None => found,
        };
        self.findings.lint(self.image, found);
    }
}
