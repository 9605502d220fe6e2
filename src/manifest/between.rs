//! What images say of each other: bases and copies that name no image, and names that could be meant in two ways.

use std::collections::BTreeMap;

use super::notes::{Notes, quoted, shown};
use crate::diagnostic::{Diagnostic, Place};
use crate::spec::Base;
use crate::suggest::closest;
use crate::workspace::Image;

/// Looks at every image's base and copies.
pub(super) fn check(notes: &mut Notes, images: &[Image], ids: &BTreeMap<String, Place>) {
    // Many images may say the same: each name is looked for once.
    let mut meant: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut look = |name| {
        *meant
            .entry(name)
            .or_insert_with(|| closest(name, ids.keys().map(String::as_str)))
    };
    for image in images {
        for need in image.spec.needs() {
            if !ids.contains_key(need.image)
                && let Some(place) = image.places.get(&need.field)
            {
                let what = if need.field == "base-image" {
                    "base image"
                } else {
                    "image"
                };
                unknown(notes, what, need.image, place, look(need.image));
            }
        }
        let place = image.places.get("base-image");
        if let (Some(Base::Registry(name)), Some(place)) = (&image.spec.base_image, place) {
            if let Some(said) = ids.get(name) {
                notes.tell(either(name, place, said));
            } else if is_bare(name)
                && let Some(near) = look(name)
            {
                notes.tell(perhaps(name, place, near));
            }
        }
    }
}

/// Whether a reference has neither registry nor tag, so that it could be an id.
fn is_bare(reference: &str) -> bool {
    !reference.contains(['/', ':', '@'])
}

fn unknown(notes: &mut Notes, what: &str, id: &str, place: &Place, meant: Option<&str>) {
    if notes.incomplete {
        return;
    }
    let id = shown(id);
    let mistake = Diagnostic::error("unknown-image", format!("unknown {what} `{id}`"));
    notes.tell(match meant {
        Some(meant) => mistake
            .at(place.clone(), format!("did you mean `{meant}`?"))
            .fix(place.clone(), quoted(meant)),
        None if what == "image" => {
            mistake.at(place.clone(), "no image of this workspace has this id")
        }
        None => mistake
            .at(place.clone(), "no image of this workspace has this id")
            .help(format!(
                "an image of a registry is named without `image=`: `base-image \"{id}\"`"
            )),
    });
}

/// `base-image "x"` where `x` is an image of the workspace.
fn either(name: &str, place: &Place, said: &Place) -> Diagnostic {
    Diagnostic::warning(
        "ambiguous-base",
        format!("base image `{name}` is taken from a registry, but an image of this workspace has that id"),
    )
    .at(place.clone(), format!("Docker would pull `docker.io/library/{name}`"))
    .with(said.clone(), format!("`{name}` of this workspace"))
    .help("to build on the image of this workspace")
    .help(format!("to really pull it, say so with a tag: `{name}:latest`"))
    .fix(place.clone(), format!("image={}", quoted(name)))
}

/// `base-image "ml-bsae"` where `ml-base` is an image of the workspace.
fn perhaps(name: &str, place: &Place, near: &str) -> Diagnostic {
    Diagnostic::warning(
        "ambiguous-base",
        format!("base image `{name}` is taken from a registry, but is nearly the id `{near}`"),
    )
    .at(
        place.clone(),
        format!("Docker would pull `docker.io/library/{name}`"),
    )
    .help(format!("to build on the image `{near}` of this workspace"))
    .help(format!(
        "to really pull it, say so with a tag: `{name}:latest`"
    ))
    .fix(place.clone(), format!("image={}", quoted(near)))
}
