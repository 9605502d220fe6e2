//! Errors found only from files and tags: file sets that cannot be read, and images with the same reference. Pure.

use std::collections::HashMap;

use crate::diagnostic::Diagnostic;
use crate::fingerprint::{BadSet, Fingerprints};
use crate::recipe::Recipe;
use crate::workspace::{Image, Workspace};
use crate::world::World;

pub(super) fn unreadable_files(
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
        let location = bad
            .error
            .place()
            .map(|(file, line)| format!("{file}, line {line}: "))
            .unwrap_or_default();
        let message = format!("image `{}`: {location}{}", image.id, bad.error);
        let mut diagnostic = Diagnostic::error("unreadable-files", message);
        diagnostic.help = bad.error.help();
        if let Some(place) = image.places.get(&field) {
            diagnostic = diagnostic.at(*place, "named here");
        }
        diagnostic
    };
    bad.iter().map(mistake).collect()
}

/// Finds references that two images share: the later one would overwrite the earlier. flytekit's tags leave out some
/// inputs, so two such images may have different keys and the same tag.
pub(super) fn clashes(world: &World, prints: &Fingerprints) -> Vec<Diagnostic> {
    let mut first: HashMap<String, &Image> = HashMap::new();
    let mut mistakes = Vec::new();
    for id in world.graph.ids() {
        let image = &world.workspace.images[id.index()];
        let reference = world.reference(prints, id);
        match first.get(&reference) {
            Some(before) => mistakes.push(clash(before, image, &reference)),
            None => {
                first.insert(reference, image);
            }
        }
    }
    mistakes
}

fn clash(before: &Image, image: &Image, reference: &str) -> Diagnostic {
    let message = format!(
        "images `{}` and `{}` would both be tagged `{reference}`",
        before.id, image.id
    );
    let mut mistake = Diagnostic::error("duplicate-reference", message)
        .help("flytekit's tag leaves out what distinguishes them: give one of them another `name`");
    if let Some(place) = image.places.get("name") {
        mistake = mistake.at(*place, "the later one would overwrite the earlier");
    }
    match before.places.get("name") {
        Some(place) => mistake.with(*place, format!("`{}` is named here", before.id)),
        None => mistake,
    }
}

/// The builder that the manifest names is not the one that this process builds with.
pub(super) fn other_instance() -> Diagnostic {
    let message = "`builder-instance` is another one than when this began";
    Diagnostic::error("other-builder", message)
        .help("end this and start it again, to let the other one build; or restore the name")
}
