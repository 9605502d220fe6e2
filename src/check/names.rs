//! Checks image names against Docker's rules and for duplicates.

use std::collections::HashMap;

use crate::diagnostic::Diagnostic;
use crate::reference::{self, DEFAULT_TAG_FORMAT};
use crate::spec::rules::check_name;
use crate::workspace::Image;

pub(super) fn check(images: &[Image], diagnostics: &mut Vec<Diagnostic>) {
    let mut first: HashMap<(String, &str), &Image> = HashMap::new();
    for image in images {
        diagnostics.extend(id_as_name(image));
        let format = image.spec.tag_format.as_deref();
        let key = (
            reference::repository(image),
            format.unwrap_or(DEFAULT_TAG_FORMAT),
        );
        if key.0.len() > 255 {
            diagnostics.extend(too_long(image));
        }
        if image.spec.flytekit.is_some() {
            // The tag is known only once the image's files have been read.
            continue;
        }
        if let Some(before) = first.get(&key) {
            diagnostics.push(one_reference(before, image, &key.0));
        } else {
            first.insert(key, image);
        }
    }
}

/// The id serves as the name of an image without one, but may have characters that a name cannot.
fn id_as_name(image: &Image) -> Option<Diagnostic> {
    if image.spec.name.is_some() {
        return None;
    }
    let refused = check_name(&image.id).err()?;
    let id = &image.id;
    let fix = refused.fix.unwrap_or_else(|| "…".into());
    let message = format!("image `{id}` cannot be called `{id}` in a registry");
    let mistake = Diagnostic::error("invalid-value", message);
    let mistake = mistake.at(*image.places.get("")?, refused.why);
    Some(mistake.help(format!("give it a `name \"{fix}\"`, or another id")))
}

fn too_long(image: &Image) -> Option<Diagnostic> {
    let message = format!("the reference of image `{}` is too long", image.id);
    let why = "Docker allows at most 255 characters of registry and name";
    let place = *image.places.get("name")?;
    Some(Diagnostic::error("invalid-value", message).at(place, why))
}

fn one_reference(before: &Image, image: &Image, repository: &str) -> Diagnostic {
    let (one, other) = (&before.id, &image.id);
    let message = format!("images `{one}` and `{other}` are both called `{repository}`");
    let mistake = Diagnostic::error("one-reference", message).help("give one of them another `name`, or each a `tag-format` of its own, such as \"{spec_hash}-cpu\"");
    match (image.places.get("name"), before.places.get("name")) {
        // A single line names both: a matrix, template or defaults.
        (Some(place), Some(first)) if place == first => {
            mistake.at(*place, format!("set for both `{one}` and `{other}`"))
        }
        (Some(place), Some(first)) => mistake
            .at(*place, format!("`{other}` is named here"))
            .with(*first, format!("`{one}` is named here")),
        _ => mistake,
    }
}
