//! Renames an image: its declaration, and whatever names it in the manifests of its workspace.
//!
//! Refused if an id is made of variables, or if some manifest cannot be read: a rename that misses a place is worse than none.

use std::collections::{BTreeMap, BTreeSet};

use gen_lsp_types::{
    DocumentChange, Edit, OptionalVersionedTextDocumentIdentifier, TextDocumentEdit,
    TextDocumentIdentifier, TextEdit, Uri, WorkspaceEdit,
};

use super::analysis::Analysis;
use super::desk::{Desk, Here, within};
use super::symbol::{self, Meant, Symbol};
use crate::diagnostic::{Place, Spanned, quoted, shown};
use crate::graph::plain;
use crate::spec::rules::check_id;
use crate::workspace::{Group, Image};

/// A rename, and what else it means.
pub(super) struct Renamed {
    pub(super) edit: WorkspaceEdit,
    pub(super) notes: Vec<String>,
}

/// The image whose id is at a place, with the place; the error says why it cannot be renamed.
pub(super) fn prepare(here: Here<'_>) -> Result<(&Image, Place), String> {
    let symbol = symbol::at(here).ok_or("nothing that can be renamed is here")?;
    let image = image(here.analysis, &symbol)?;
    let place = named(here.analysis, symbol.place, &image.id)?;
    Ok((image, place))
}

fn image<'a>(analysis: &'a Analysis, symbol: &Symbol) -> Result<&'a Image, String> {
    let Meant::Images(ids) = &symbol.meant else {
        return Err("only images can be renamed".to_owned());
    };
    let mut images = symbol::images(analysis, ids);
    let (first, second) = (images.next(), images.next());
    let Some(image) = first else {
        return Err("no image of this workspace has this id".to_owned());
    };
    if second.is_some() {
        return Err(
            "this names several images, of a matrix or by a glob: edit it by hand".to_owned(),
        );
    }
    let place = symbol::declaration(image).ok_or("it is not declared in a file")?;
    named(analysis, *place, &image.id)?;
    Ok(image)
}

/// The place of an id within a value that names it.
fn named(analysis: &Analysis, value: Place, id: &str) -> Result<Place, String> {
    let text = analysis.text(value.source);
    let place = within(text, value);
    let written = &text[place.span()];
    // The member of a group has signs around the id.
    if let Some(at) = written.find(id).filter(|_| plain(written) == id) {
        let start = place.start() + at;
        return Ok(Place::new(place.source, start..start + id.len()));
    }
    let at = analysis.checked.workspace.sources.words(&value);
    let (id, written) = (shown(id), shown(written));
    Err(format!(
        "`{id}` is written as `{written}` in {at}, where a variable or a matrix makes the id: rename it by hand"
    ))
}

/// Renames the image at a place.
pub(super) fn rename(
    desk: &Desk,
    here: Here<'_>,
    new: &str,
    has_versions: bool,
) -> Result<Renamed, String> {
    let analysis = here.analysis;
    if !analysis.is_whole {
        return Err("a manifest of the workspace cannot be read: mend it first".to_owned());
    }
    let (image, place) = prepare(here)?;
    let old = image.id.as_str();
    check_id(&Spanned::plain(new, place)).map_err(|mistake| {
        let why = mistake.place.map_or(String::new(), |label| label.text);
        format!("{}: {why}", mistake.message)
    })?;
    let workspace = &analysis.checked.workspace;
    let is_taken = workspace.images.iter().any(|image| image.id == new)
        || workspace.groups.iter().any(|group| group.name.text == new);
    if is_taken && new != old {
        return Err(format!("there is an image or a group `{new}` already"));
    }
    let meant = Meant::Images(BTreeSet::from([old.to_owned()]));
    let mut places = symbol::uses(analysis, &meant);
    places.extend(symbol::declarations(analysis, &meant));
    let places: Vec<Place> = places
        .into_iter()
        .map(|place| named(analysis, place, old))
        .collect::<Result<_, String>>()?;
    Ok(Renamed {
        edit: edit(desk, analysis, &places, new, has_versions),
        notes: notes(analysis, image, new),
    })
}

fn edit(
    desk: &Desk,
    analysis: &Analysis,
    places: &[Place],
    new: &str,
    has_versions: bool,
) -> WorkspaceEdit {
    let mut ranges = desk.ranges(analysis);
    let mut changes: BTreeMap<String, (Uri, Vec<TextEdit>)> = BTreeMap::new();
    for place in places {
        let text = analysis.text(place.source);
        // A word without quotes may not remain one: an id can begin with a digit.
        let is_bare = within(text, *place) == *place && !is_in_quotes(text, *place);
        let new_text = if is_bare { quoted(new) } else { new.to_owned() };
        if let Some(location) = ranges.location(*place) {
            let uri = location.uri;
            let change = changes.entry(uri.0.clone());
            let (_, edits) = change.or_insert_with(|| (uri, Vec::new()));
            edits.push(TextEdit {
                range: location.range,
                new_text,
            });
        }
    }
    let changes = changes.into_values();
    if !has_versions {
        return WorkspaceEdit {
            changes: Some(changes.collect()),
            ..WorkspaceEdit::default()
        };
    }
    let documents = changes.map(|(uri, edits)| {
        let version = desk.documents.get(&uri).map(|document| document.version);
        DocumentChange::TextDocumentEdit(TextDocumentEdit {
            text_document: OptionalVersionedTextDocumentIdentifier {
                version,
                text_document_identifier: TextDocumentIdentifier { uri },
            },
            edits: edits.into_iter().map(Edit::TextEdit).collect(),
        })
    });
    WorkspaceEdit {
        document_changes: Some(documents.collect()),
        ..WorkspaceEdit::default()
    }
}

/// Whether a place is surrounded by quotes, or by the signs of a selector within quotes.
fn is_in_quotes(text: &str, place: Place) -> bool {
    let before = text[..place.start()].trim_end_matches(['!', '.']);
    before.ends_with('"')
}

/// What a rename changes besides names, and what it does not change.
fn notes(analysis: &Analysis, image: &Image, new: &str) -> Vec<String> {
    let workspace = &analysis.checked.workspace;
    let old = &image.id;
    let mut notes = Vec::new();
    if image.spec.name.is_none() && image.spec.flytekit.is_none() {
        notes.push(format!(
            "its name in registries changes too; `name \"{old}\"` in it keeps the old one"
        ));
    }
    let lock = workspace.lock.as_ref();
    let is_locked =
        lock.is_some_and(|lock| lock.packages.contains_key(old) || lock.debian.contains_key(old));
    if is_locked {
        notes.push("`imgspec lock` has to lock its packages under the new id".to_owned());
    }
    for group in &workspace.groups {
        notes.extend(globs(group, old, new));
    }
    notes
}

/// The globs of a group that select an image under only one of its names.
fn globs(group: &Group, old: &str, new: &str) -> Vec<String> {
    let matches = |glob: &str, id: &str| {
        let glob = globset::Glob::new(glob).map(|glob| glob.compile_matcher());
        glob.is_ok_and(|glob| glob.is_match(id))
    };
    let globs = group.members.iter().map(|member| plain(&member.text));
    let globs = globs.filter(|name| *name != old);
    let each = globs.filter_map(|glob| {
        let (name, glob_shown) = (&group.name.text, shown(glob));
        match (matches(glob, old), matches(glob, new)) {
            (true, false) => Some(format!(
                "the glob `{glob_shown}` of the group `{name}` does not select it any more"
            )),
            (false, true) => Some(format!(
                "the glob `{glob_shown}` of the group `{name}` selects it now"
            )),
            _ => None,
        }
    });
    each.collect()
}
