//! Two fields that do not go together, and how that is told.

use crate::diagnostic::Diagnostic;
use crate::workspace::Image;

/// A field that is wrong beside the others, and why.
pub(super) struct Clash {
    field: String,
    message: String,
    label: String,
    help: Option<String>,
    is_error: bool,
}

impl Clash {
    pub(super) fn new(
        field: impl Into<String>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            label: label.into(),
            help: None,
            is_error: true,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn warning(mut self) -> Self {
        self.is_error = false;
        self
    }
}

/// A clash in the fields of an image, where its field is said.
pub(super) fn told(image: &Image, clash: Clash) -> Diagnostic {
    let message = format!("image `{}`: {}", image.id, clash.message);
    let mut diagnostic = if clash.is_error {
        Diagnostic::error("together", message)
    } else {
        Diagnostic::warning("together", message)
    };
    if let Some(place) = image.places.get(&clash.field) {
        diagnostic = diagnostic.at(place.clone(), clash.label);
    }
    match clash.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}
