//! Images that are called the same once their tags are known. Pure.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::fingerprint::Fingerprints;
use crate::workspace::Image;
use crate::world::World;

/// References that two images have: the later one would overwrite the earlier. flytekit's tags leave out inputs, so two of
/// its images may be told apart by their keys alone.
pub(super) fn clashes(world: &World, prints: &Fingerprints) -> Vec<Diagnostic> {
    let mut first: BTreeMap<String, &Image> = BTreeMap::new();
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
        "images `{}` and `{}` would both be called `{reference}`",
        before.id, image.id
    );
    let mut mistake = Diagnostic::error("duplicate-reference", message)
        .help("flytekit's tag leaves out what tells them apart: give one of them another `name`");
    if let Some(place) = image.places.get("name") {
        mistake = mistake.at(place.clone(), "the later one would overwrite the earlier");
    }
    match before.places.get("name") {
        Some(place) => mistake.with(place.clone(), format!("`{}` is called so here", before.id)),
        None => mistake,
    }
}
