//! Reports variables and templates that nothing uses, after all files have been read.

use super::loader::{Declared, File, Loader};
use crate::diagnostic::{Diagnostic, Place};

impl Loader<'_> {
    pub(super) fn declare(
        &mut self,
        lint: &'static str,
        name: &str,
        place: &Place,
        file: &File<'_>,
    ) {
        self.declared.push(Declared {
            lint,
            name: name.to_owned(),
            place: *place,
            allows: file.allows.clone(),
        });
    }

    /// Reports the unused declarations.
    pub(super) fn unused(&mut self) {
        for declared in std::mem::take(&mut self.declared) {
            let Declared {
                lint,
                name,
                place,
                allows,
            } = declared;
            if self.notes.is_used(&place) || self.allows.take(&allows, lint) {
                continue;
            }
            let (message, help) = if lint == "unused-template" {
                let example = format!("remove it, or extend it: `image \"…\" extends=\"{name}\"`");
                (format!("nothing extends the template `{name}`"), example)
            } else {
                let example =
                    format!("remove it, or use it: `{{{{ {name} }}}}` in a quoted string");
                (format!("nothing uses the variable `{name}`"), example)
            };
            let found = Diagnostic::lint(lint, message).at(place, "");
            self.notes.tell(found.help(help));
        }
    }
}
