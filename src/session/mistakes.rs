//! Errors found only from files and tags: file sets that cannot be read, and images with the same reference. Pure.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Place};
use crate::fingerprint::{BadSet, Fingerprints};
use crate::recipe::Recipe;
use crate::reference;
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
/// inputs, so two such images may have different keys and the same tag; further names are the user's.
pub(super) fn clashes(world: &World, prints: &Fingerprints) -> Vec<Diagnostic> {
    let mut first: HashMap<String, Named<'_>> = HashMap::new();
    let mut mistakes = Vec::new();
    for id in world.graph.ids() {
        let image = &world.workspace.images[id.index()];
        let own = world.reference(prints, id);
        let also = reference::also(image, &own);
        let names = also.into_iter().map(|name| (name, true));
        for (name, is_further) in std::iter::once((own, false)).chain(names) {
            let this = Named { image, is_further };
            match first.get(&name) {
                Some(before) => mistakes.push(clash(before, &this, &name)),
                None => {
                    first.insert(name, this);
                }
            }
        }
    }
    mistakes
}

/// An image with one of its names.
struct Named<'a> {
    image: &'a Image,
    /// Whether `also-tag` gives it the name.
    is_further: bool,
}

impl Named<'_> {
    /// Where the name comes from.
    fn place(&self, reference: &str) -> Option<&Place> {
        let places = &self.image.places;
        if !self.is_further {
            return places.get("name");
        }
        let mut names = self.image.spec.also_tag.iter();
        let at = names.position(|name| reference::whole(self.image, name) == reference);
        at.and_then(|at| places.get(&format!("also-tag[{at}]")))
    }
}

fn clash(before: &Named<'_>, this: &Named<'_>, reference: &str) -> Diagnostic {
    let (id, other) = (&this.image.id, &before.image.id);
    let message = format!("images `{other}` and `{id}` would both be tagged `{reference}`");
    let help = if before.is_further || this.is_further {
        "a name can be that of one image only: remove one, or give one of them another `name`"
    } else {
        "flytekit's tag leaves out what distinguishes them: give one of them another `name`"
    };
    let mut mistake = Diagnostic::error("duplicate-reference", message).help(help);
    if let Some(place) = this.place(reference) {
        mistake = mistake.at(*place, "the later one would overwrite the earlier");
    }
    match before.place(reference) {
        Some(place) => mistake.with(*place, format!("`{other}` is named here")),
        None => mistake,
    }
}

/// The builder that the manifest names is not the one that this process builds with.
pub(super) fn other_instance() -> Diagnostic {
    let message = "`builder-instance` is another one than when this began";
    Diagnostic::error("other-builder", message)
        .help("end this and start it again, to let the other one build; or restore the name")
}
