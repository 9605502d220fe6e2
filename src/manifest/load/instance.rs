//! Reads `builder-instance`, by which the root manifest says where images are built. It is part of no key.

use super::loader::{File, Loader};
use crate::diagnostic::{Diagnostic, Place};
use crate::manifest::decode::Scope;
use crate::manifest::syntax::{bare, one_argument};
use crate::spec::rules::check_instance;

/// The name of the node.
pub(super) const INSTANCE: &str = "builder-instance";

impl Loader<'_> {
    /// Reads the node of the root manifest; `included` is the place that includes any other one.
    pub(super) fn builder_instance(
        &mut self,
        file: &File<'_>,
        scope: &Scope<'_>,
        included: Option<&Place>,
    ) {
        let Some(node) = file.named(INSTANCE).next() else {
            return;
        };
        if let Some(included) = included {
            let message = format!("`{INSTANCE}` belongs in the root manifest");
            let mistake = Diagnostic::error("misplaced", message);
            let mistake = mistake.at(node.name.place, "one builder builds all images");
            self.notes
                .tell(mistake.with(*included, "this file is included here"));
            return;
        }
        bare(node, &[], &mut self.notes);
        let Some(value) = one_argument(node, "there is one builder", &mut self.notes) else {
            let message = format!("`{INSTANCE}` needs the name of a builder");
            let mistake = Diagnostic::missing(message, &node.name.place);
            let example = "write `builder-instance \"NAME\"`; `docker buildx ls` lists them";
            self.notes.tell(mistake.help(example));
            return;
        };
        if let Some(name) = scope.text(value, INSTANCE, &mut self.notes)
            && self.notes.accept(check_instance(&name)).is_some()
        {
            self.builder_instance = Some(name.text);
        }
    }
}
