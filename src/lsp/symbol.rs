//! What the word at a place means, where it is declared, and where else it is named.

use std::collections::BTreeSet;

use super::analysis::Analysis;
use super::desk::Here;
use crate::diagnostic::Place;
use crate::graph::{ImageId, plain};
use crate::workspace::Image;

/// What a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meant {
    /// Images: several for the id of a matrix, for a glob in a group, or for one that a matrix names.
    Images(BTreeSet<String>),
    /// The variable, axis or template that is declared at this place.
    Declared(Place),
    Group(String),
}

/// A word that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) meant: Meant,
    /// The place of the word, with its quotes.
    pub(super) place: Place,
}

/// What the word at a place means. Of words within words, such as a variable in an id, it is the inner one.
pub(super) fn at(here: Here<'_>) -> Option<Symbol> {
    let Here {
        analysis,
        source,
        offset,
    } = here;
    let is_here =
        |place: &Place| place.source == source && place.start() <= offset && offset <= place.end();
    let names = &analysis.names;
    let symbol = |place: &Place, meant| Symbol {
        meant,
        place: *place,
    };
    let mut found = Vec::new();
    let uses = names.uses.iter().filter(|(place, _)| is_here(place));
    found.extend(uses.map(|(place, declared)| symbol(place, Meant::Declared(*declared))));
    let declared = names.declared.keys().filter(|place| is_here(place));
    found.extend(declared.map(|place| symbol(place, Meant::Declared(*place))));
    let naming = names.images.iter().filter(|it| is_here(&it.place));
    let naming = naming.map(|it| (it.place, it.id.clone()));
    let images = analysis.checked.workspace.images.iter();
    let own = images.filter_map(|image| Some((*declaration(image)?, image.id.clone())));
    let own = own.filter(|(place, _)| is_here(place));
    for (place, id) in naming.chain(own) {
        match found.iter_mut().find(|it| it.place == place) {
            Some(Symbol {
                meant: Meant::Images(ids),
                ..
            }) => {
                ids.insert(id);
            }
            _ => found.push(symbol(&place, Meant::Images(BTreeSet::from([id])))),
        }
    }
    for group in &analysis.checked.workspace.groups {
        let name = &group.name;
        if is_here(&name.place) {
            found.push(symbol(&name.place, Meant::Group(name.text.clone())));
        }
        let members = group.members.iter().filter(|it| is_here(&it.place));
        found.extend(members.filter_map(|it| {
            let meant = member(analysis, plain(&it.text))?;
            Some(symbol(&it.place, meant))
        }));
    }
    found
        .into_iter()
        .min_by_key(|symbol| symbol.place.span().len())
}

/// What the member of a group means.
fn member(analysis: &Analysis, name: &str) -> Option<Meant> {
    let groups = &analysis.checked.workspace.groups;
    if groups.iter().any(|group| group.name.text == name) {
        return Some(Meant::Group(name.to_owned()));
    }
    let graph = analysis.checked.graph.as_ref()?;
    let ids: BTreeSet<ImageId> = graph.select(BTreeSet::new(), &[name]).ok()?;
    let ids = ids.into_iter().map(|id| graph.name(id).to_owned());
    Some(Meant::Images(ids.collect()))
}

/// Where an image is declared: the place of its id.
pub(super) fn declaration(image: &Image) -> Option<&Place> {
    image.places.get("")
}

/// The images with these ids.
pub(super) fn images<'a>(
    analysis: &'a Analysis,
    ids: &BTreeSet<String>,
) -> impl Iterator<Item = &'a Image> {
    let images = analysis.checked.workspace.images.iter();
    images.filter(|image| ids.contains(&image.id))
}

/// The places of declarations.
pub(super) fn declarations(analysis: &Analysis, meant: &Meant) -> BTreeSet<Place> {
    match meant {
        Meant::Declared(place) => BTreeSet::from([*place]),
        Meant::Images(ids) => images(analysis, ids)
            .filter_map(declaration)
            .copied()
            .collect(),
        Meant::Group(name) => {
            let groups = analysis.checked.workspace.groups.iter();
            let named = groups.filter(|group| group.name.text == *name);
            named.map(|group| group.name.place).collect()
        }
    }
}

/// The places that name it, besides its declaration.
pub(super) fn uses(analysis: &Analysis, meant: &Meant) -> BTreeSet<Place> {
    let names = &analysis.names;
    let members = |is_meant: &dyn Fn(&str) -> bool| {
        let groups = analysis.checked.workspace.groups.iter();
        let members = groups.flat_map(|group| &group.members);
        let members = members.filter(|member| is_meant(plain(&member.text)));
        members.map(|member| member.place).collect::<BTreeSet<_>>()
    };
    match meant {
        Meant::Declared(declared) => {
            let uses = names.uses.iter().filter(|(_, of)| *of == declared);
            uses.map(|(place, _)| *place).collect()
        }
        Meant::Images(ids) => {
            let naming = names.images.iter().filter(|it| ids.contains(&it.id));
            let mut places = members(&|name| ids.contains(name));
            places.extend(naming.map(|it| it.place));
            places
        }
        Meant::Group(name) => members(&|member| member == name),
    }
}
