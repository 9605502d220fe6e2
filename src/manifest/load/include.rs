//! What can be wrong with an `include`.

use super::glob::NoMatch;
use crate::diagnostic::{Diagnostic, Place, Spanned, shown};
use crate::manifest::syntax::Node;
use crate::spec::WorkspacePath;
use crate::suggest::closest;

/// A node of `workspace` other than `include`.
pub(super) fn not_an_include(node: &Node) -> Diagnostic {
    let (name, place) = (&node.name.text, &node.name.place);
    let message = format!("unknown field `{name}` in the workspace");
    let mistake = Diagnostic::error("unknown-field", message);
    mistake.unknown(
        place,
        closest(name, ["include"]),
        "a workspace has only `include`",
    )
}

pub(super) fn wrong_include(text: &Spanned, why: NoMatch) -> Diagnostic {
    let (pattern, place) = (shown(&text.text), text.place.clone());
    match why {
        NoMatch::Nothing { help } => {
            Diagnostic::error("nothing-included", format!("`{pattern}` includes nothing"))
                .at(place, "")
                .help(help)
        }
        NoMatch::Outside => {
            Diagnostic::error("outside", format!("`{pattern}` leaves the workspace"))
                .at(place, "")
                .help("a workspace is the directory of its root manifest, with all below it")
        }
        NoMatch::Link(path) => {
            Diagnostic::error("outside", format!("`{pattern}` leaves the workspace"))
                .at(
                    place,
                    format!("`{path}` is behind a link that leads out of it"),
                )
                .help("a workspace is the directory of its root manifest, with all below it")
        }
        NoMatch::Dangling(path) => {
            let mistake = format!("`{path}` is a link that leads nowhere");
            Diagnostic::error("unreadable", mistake)
                .at(place, "included here")
                .help("mend the link, or remove it")
        }
        NoMatch::Glob(why) => {
            Diagnostic::error("invalid-value", format!("`{pattern}` is not a glob")).at(place, why)
        }
    }
}

/// `said` are the places where each file of the way but the first is included.
pub(super) fn include_circle(
    text: &Spanned,
    way: &[WorkspacePath],
    said: Vec<Option<Place>>,
) -> Diagnostic {
    let first = &way[0];
    let place = text.place.clone();
    if way.len() == 1 {
        return Diagnostic::error("cycle", format!("`{first}` includes itself")).at(place, "");
    }
    let names: Vec<String> = way
        .iter()
        .chain([first])
        .map(|path| format!("`{path}`"))
        .collect();
    let message = format!(
        "files include each other in a circle: {}",
        names.join(" -> ")
    );
    let mistake = Diagnostic::error("cycle", message).at(place, "this closes the circle");
    said.into_iter()
        .zip(&names[1..])
        .filter_map(|(place, name)| Some((place?, name)))
        .fold(mistake, |mistake, (place, name)| {
            mistake.with(place, format!("{name} is included here"))
        })
}

pub(super) fn included_twice(
    text: &Spanned,
    path: &WorkspacePath,
    before: Option<Place>,
) -> Diagnostic {
    let mistake = Diagnostic::error("included-twice", format!("`{path}` is included twice"))
        .at(text.place.clone(), "again here")
        .help("include it from one place, so that its defaults are clear");
    match before {
        Some(before) => mistake.with(before, "first included here"),
        None => mistake,
    }
}
