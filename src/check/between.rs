//! Checks between images: references to unknown images, ambiguous base names, and dependency cycles.

use std::collections::BTreeMap;

use super::findings::Findings;
use crate::diagnostic::{Diagnostic, Place, quoted, shown};
use crate::graph::{Cycle, EdgeKind, Hop};
use crate::spec::{Base, Need};
use crate::suggest::closest;
use crate::workspace::Image;

/// How many unknown names get a suggestion: searching 10,000 images for a similar name takes milliseconds, and nobody makes more
/// typos than this.
const LOOKS: usize = 256;

/// Checks every image's base and copies.
pub(super) fn check(images: &[Image], is_whole: bool, findings: &mut Findings) {
    let ids: BTreeMap<&str, Option<&Place>> = images
        .iter()
        .map(|image| (image.id.as_str(), image.places.get("")))
        .collect();
    // Cached, because many images may contain the same unknown name.
    let mut meant: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut look = |name| {
        let is_enough = meant.len() >= LOOKS;
        *meant.entry(name).or_insert_with(|| {
            let ids = ids.keys().copied();
            if is_enough { None } else { closest(name, ids) }
        })
    };
    for image in images {
        for need in image.spec.needs() {
            let place = image.places.get(&need.field);
            if let Some(place) = place.filter(|_| is_whole)
                && !ids.contains_key(need.image)
            {
                findings.error(unknown(&need, place, look(need.image)));
            }
        }
        let place = image.places.get("base-image");
        if let (Some(Base::Registry(name)), Some(place)) = (&image.spec.base_image, place) {
            if let Some(Some(declared)) = ids.get(name.as_str()) {
                let why = "an image of this workspace has that id";
                let mistake = ambiguous(name, place, why, "the image", name);
                let other = format!("`{name}` of this workspace");
                findings.lint(image, mistake.with(*(*declared), other));
            } else if is_bare(name)
                && let Some(near) = look(name)
            {
                let (why, near_image) = (
                    format!("it resembles the id `{near}`"),
                    format!("the image `{near}`"),
                );
                findings.lint(image, ambiguous(name, place, &why, &near_image, near));
            }
        }
    }
}

/// Whether a reference has neither registry nor tag and so could be an id.
fn is_bare(reference: &str) -> bool {
    !reference.contains(['/', ':', '@'])
}

fn unknown(need: &Need<'_>, place: &Place, meant: Option<&str>) -> Diagnostic {
    let id = shown(need.image);
    let is_base = need.field == "base-image";
    let what = if is_base { "base image" } else { "image" };
    let mistake = Diagnostic::error("unknown-image", format!("unknown {what} `{id}`"));
    let mistake = mistake.unfixed(place, meant, "no image of this workspace has this id");
    match meant {
        Some(meant) => mistake.fix(*place, quoted(meant)),
        None if is_base => mistake.help(format!(
            "a registry image is named without `image=`: `base-image \"{id}\"`"
        )),
        None => mistake,
    }
}

/// The lint for a registry base that may be meant to be the workspace image `id`.
fn ambiguous(name: &str, place: &Place, why: &str, image: &str, id: &str) -> Diagnostic {
    let message = format!("base image `{name}` is taken from a registry, but {why}");
    let pulled = format!("Docker would pull `docker.io/library/{name}`");
    let tagged = format!("to pull it nevertheless, add its tag: `{name}:…`");
    Diagnostic::lint("ambiguous-base", message)
        .at(*place, pulled)
        .help(format!("to build on {image} of this workspace"))
        .help(tagged)
        .fix(*place, format!("image={}", quoted(id)))
}

/// The error for a dependency cycle, with the place of every hop.
pub(super) fn circle(cycle: &Cycle, images: &[Image]) -> Diagnostic {
    let id = |hop: &Hop| images[hop.from.index()].id.as_str();
    let names: Vec<String> = cycle
        .iter()
        .chain(cycle.first())
        .map(|hop| format!("`{}`", id(hop)))
        .collect();
    let message = match cycle.as_slice() {
        [only] if only.kind == EdgeKind::Base => format!("image {} uses itself as base", names[0]),
        [_] => format!("image {} copies files from itself", names[0]),
        _ => format!(
            "images depend on each other in a cycle: {}",
            names.join(" -> ")
        ),
    };
    let label = |hop: &Hop| {
        let image = &images[hop.from.index()];
        let how = match hop.kind {
            EdgeKind::Base => "is built on",
            EdgeKind::Copy => "copies from",
        };
        let text = format!("`{}` {how} `{}`", image.id, images[hop.to.index()].id);
        (image.places.get(&hop.field).copied(), text)
    };
    let mut mistake = Diagnostic::error("cycle", message);
    for (at, hop) in cycle.iter().enumerate() {
        if let (Some(place), text) = label(hop) {
            mistake = if at == 0 {
                mistake.at(place, text)
            } else {
                mistake.with(place, text)
            };
        }
    }
    if cycle.len() > 1 {
        mistake = mistake.help("one of them must be built on something else");
    }
    mistake
}
