//! File sets that cannot be read, as mistakes of the fields that name them. Pure.

use crate::diagnostic::Diagnostic;
use crate::fingerprint::BadSet;
use crate::recipe::Recipe;
use crate::workspace::Workspace;

/// File sets that cannot be read, as mistakes of the fields that name them.
pub(super) fn mistakes(
    workspace: &Workspace,
    recipes: &[Recipe],
    bad: &[BadSet],
) -> Vec<Diagnostic> {
    let mistake = |bad: &BadSet| {
        let image = &workspace.images[bad.image.index()];
        let field = bad
            .set
            .and_then(|set| recipes[bad.image.index()].set_fields.get(set))
            .cloned()
            .unwrap_or_default();
        let said = bad
            .error
            .place()
            .map(|(file, line)| format!("{file}, line {line}: "))
            .unwrap_or_default();
        let message = format!("image `{}`: {said}{}", image.id, bad.error);
        let mut diagnostic = Diagnostic::error("unreadable-files", message);
        diagnostic.help = bad.error.help();
        if let Some(place) = image.places.get(&field) {
            diagnostic = diagnostic.at(place.clone(), "named here");
        }
        diagnostic
    };
    bad.iter().map(mistake).collect()
}
