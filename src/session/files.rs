//! File sets that cannot be read, as mistakes of the fields that name them. Pure.

use crate::diagnostic::Diagnostic;
use crate::fingerprint::BadSet;
use crate::recipe::{CopySource, Recipe, Step};
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
            .and_then(|set| field_of(&recipes[bad.image.index()], set))
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

/// The manifest's name of the field that a recipe's file set comes from: `requirements`, or `copy[2]`.
fn field_of(recipe: &Recipe, set: usize) -> Option<String> {
    let mut copies = 0;
    let fields = recipe.steps.iter().filter_map(|step| match step {
        Step::Pip(pip) => pip.requirements.as_ref().map(|_| "requirements".to_owned()),
        Step::Copy(copy) => {
            copies += 1;
            matches!(copy.from, CopySource::Files(_)).then(|| format!("copy[{}]", copies - 1))
        }
        _ => None,
    });
    fields.into_iter().nth(set)
}
