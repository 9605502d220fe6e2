//! What is told about the word under the pointer: a field's documentation, an image's key and state, a variable's value.
//!
//! The state of an image is that of its record. Nothing is asked of a daemon or a registry, and no value of a secret is
//! shown: a manifest may come from anybody, and may name any variable of the environment.

use std::collections::BTreeSet;

use gen_lsp_types::{Contents, Hover, MarkupContent, MarkupKind};

use super::analysis::Analysis;
use super::desk::{Desk, Here, within};
use super::reference;
use super::symbol::{self, Meant};
use super::tree;
use crate::diagnostic::{Place, Sources, lint};
use crate::fingerprint::{self, Change};
use crate::graph::ImageId;
use crate::manifest;
use crate::report::words::{Count, Seconds};
use crate::session::Session;
use crate::spec::Base;
use crate::store::RecordState;
use crate::workspace::{DeclaredName, Image, Meaning, Origin};

/// How many images, and how many changes of one, are told.
const MOST: usize = 10;

/// What is told about a place.
pub(super) fn hover(desk: &Desk, here: Here<'_>) -> Option<Hover> {
    let (text, place) = of_symbol(here).or_else(|| of_node(here))?;
    Some(Hover {
        contents: Contents::MarkupContent(MarkupContent {
            kind: MarkupKind::Markdown,
            value: here.analysis.masked(&text),
        }),
        range: Some(desk.ranges(here.analysis).range(place)),
    })
}

fn of_symbol(here: Here<'_>) -> Option<(String, Place)> {
    let Here { analysis, .. } = here;
    let symbol = symbol::at(here)?;
    let text = match &symbol.meant {
        Meant::Images(ids) => images(analysis, ids)?,
        Meant::Declared(place) => {
            let text = declared(analysis, analysis.names.declared.get(place)?);
            let uses = symbol::uses(analysis, &symbol.meant).len();
            format!("{text}\n\nused in {}", Count(uses, "place"))
        }
        Meant::Group(name) => group(analysis, name),
    };
    let place = within(analysis.text(symbol.place.source), symbol.place);
    Some((text, place))
}

fn images(analysis: &Analysis, ids: &BTreeSet<String>) -> Option<String> {
    let mut texts: Vec<String> = symbol::images(analysis, ids)
        .take(MOST)
        .map(|image| of_image(analysis, image))
        .collect();
    if texts.is_empty() {
        return None;
    }
    if ids.len() > MOST {
        texts.push(format!("and {} more", ids.len() - MOST));
    }
    Some(texts.join("\n\n"))
}

/// An image: what it is built on, its key and reference, and whether it is built.
fn of_image(analysis: &Analysis, image: &Image) -> String {
    let mut text = format!("**image** {}", code(&image.id));
    if let Some(place) = symbol::declaration(image) {
        let place = analysis.checked.workspace.sources.words(place);
        text += &format!(", {}", code(&place));
    }
    let base = image.spec.base_image.as_ref();
    text += &base.map_or(String::new(), |base| format!("\n\non {}", base_words(base)));
    let Some(session) = &analysis.session else {
        return text + "\n\nno key: the workspace has errors, or its files are still being read";
    };
    let Some(id) = session.world.graph.find(&image.id) else {
        return text;
    };
    text += &format!("\n\nkey {}\\\n", code(&session.prints.key(id).to_string()));
    text += &format!("reference {}", code(&session.reference(id)));
    text + "\n\n" + &state(session, id)
}

fn base_words(base: &Base) -> String {
    match base {
        Base::Image(id) => format!("the image {} of this workspace", code(id)),
        Base::Registry(reference) => format!("{}, from a registry", code(reference)),
        Base::File { file, .. } => format!("the file {}", code(&file.given)),
        Base::Debian(debian) => format!("the packages of Debian {}", code(&debian.suite)),
        Base::Scratch => "nothing (`scratch`)".to_owned(),
    }
}

/// Whether the image is as it was built last, by its record.
fn state(session: &Session, id: ImageId) -> String {
    let record = match session.store.read(session.world.graph.name(id)) {
        RecordState::Missing => return "not built here yet".to_owned(),
        RecordState::Unreadable(why) => {
            return format!("its record cannot be read: {}", code(&why));
        }
        RecordState::Found(record) => record,
    };
    let built = format!("built {} in {}", record.finished, Seconds(record.seconds));
    if record.key == session.prints.key(id) {
        return format!("**fresh**: nothing differs from the last build\\\n{built}");
    }
    let Some(old) = session.store.inputs(&record) else {
        return format!("**stale**: differs from the last build\\\n{built}");
    };
    let new = session
        .prints
        .inputs(id, &session.world.recipes[id.index()]);
    let changes = fingerprint::diff(&old, &new);
    let mut text = format!("**stale**, since the last build:\n{}", list(&changes));
    if changes.len() > MOST {
        text += &format!("* and {} more\n", changes.len() - MOST);
    }
    format!("{text}\n{built}")
}

fn list(changes: &[Change]) -> String {
    let mut text = String::new();
    for change in changes.iter().take(MOST) {
        let words = match change.base() {
            Some(base) => format!("its base {} changed", code(base)),
            None => code(&change.to_string()),
        };
        text += &format!("* {words}\n");
    }
    text
}

fn declared(analysis: &Analysis, declared: &DeclaredName) -> String {
    let name = code(&declared.name);
    match &declared.meaning {
        Meaning::Template => format!("**template** {name}"),
        Meaning::Axis(values) => {
            let values: Vec<String> = values.iter().take(MOST).map(|it| code(it)).collect();
            format!("**axis** {name}: {}", values.join(", "))
        }
        Meaning::Variable { value, origin } => {
            let origin_words = match origin {
                Origin::Flag => "from `--var`".to_owned(),
                Origin::Env(variable) => {
                    format!("from the environment variable {}", code(variable))
                }
                Origin::Default => "its default".to_owned(),
                Origin::Nowhere => "it has no value".to_owned(),
            };
            match value {
                Some(value) if !analysis.is_secret(value) => {
                    format!("**variable** {name} = {}\n\n{origin_words}", code(value))
                }
                Some(_) => format!(
                    "**variable** {name}\n\n{origin_words}; not shown, because it may be a secret"
                ),
                None => format!("**variable** {name}\n\n{origin_words}"),
            }
        }
    }
}

fn group(analysis: &Analysis, name: &str) -> String {
    let text = format!("**group** {}", code(name));
    let graph = analysis.checked.graph.as_ref();
    let Some((graph, ids)) = graph.and_then(|graph| Some((graph, graph.groups().get(name)?)))
    else {
        return text;
    };
    let names: Vec<String> = ids
        .iter()
        .take(MOST)
        .map(|id| code(graph.name(*id)))
        .collect();
    let more = match ids.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let count = Count(ids.len(), "image");
    format!("{text}: {count}\n\n{}{more}", names.join(", "))
}

/// A field or another node by its name, a lint by its code, a base by its reference.
fn of_node(here: Here<'_>) -> Option<(String, Place)> {
    let Here {
        analysis,
        source,
        offset,
    } = here;
    let text = analysis.text(source);
    let (nodes, _) = manifest::parse(text, Sources::default().add("", ""));
    let found = tree::at(&nodes, offset)?;
    let own = |place: Place| Place::new(source, place.span());
    let names = found.names();
    let node = found.way.last()?;
    if found.is_name {
        return Some((of_name(&names)?, own(node.name.place)));
    }
    let value = found.value?;
    let place = within(text, own(value.place));
    let word = &text[place.span()];
    let told = match names.as_slice() {
        [.., "allow"] => {
            let lint = lint::find(word)?;
            let section = reference::lint(lint.code).unwrap_or_default();
            format!(
                "**lint** {}: {}\n\n{section}",
                code(lint.code),
                lint.summary
            )
        }
        [_, "base-image"] => of_base(analysis, word)?,
        _ => return None,
    };
    Some((told, place))
}

/// A node, by the names of those around it and its own.
fn of_name(names: &[&str]) -> Option<String> {
    let entry = match names {
        [node] => reference::node(node)?,
        ["image", "extends" | "matrix"] => reference::node("image")?,
        ["template", "extends"] => reference::node("template")?,
        [_, "allow"] => reference::node("allow")?,
        ["image" | "template" | "defaults", field] => reference::field(field)?,
        ["image" | "template" | "defaults", field, ..] => {
            return reference::field(field).map(|entry| entry.section);
        }
        _ => return None,
    };
    let name = names.last()?;
    let kind = entry
        .kind
        .map_or(String::new(), |kind| format!(" ({kind})"));
    Some(format!(
        "**{name}**{kind}: {}\n\n{}",
        entry.summary, entry.section
    ))
}

/// A base that is not of this workspace, as the lock knows it.
fn of_base(analysis: &Analysis, word: &str) -> Option<String> {
    let is_outside = |image: &&Image| {
        let base = image.spec.base_image.as_ref();
        matches!(base, Some(Base::Registry(reference)) if reference == word)
    };
    analysis.checked.workspace.images.iter().find(is_outside)?;
    let lock = analysis.checked.workspace.lock.as_ref();
    let locked = lock.and_then(|lock| lock.bases.get(word));
    let pinned = match locked {
        Some(locked) => format!("`imgspec.lock` pins it: {}", code(locked.image.text())),
        None if word.contains("@sha256:") => "pinned by its digest".to_owned(),
        None => "not pinned: `imgspec lock` does".to_owned(),
    };
    Some(format!(
        "{}, an image of a registry\n\n{pinned}",
        code(word)
    ))
}

/// Text as Markdown that is shown as it is: none of it is taken for markup.
fn code(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.trim().is_empty() {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn no_text_becomes_markup() {
        assert_eq!(code("a"), "`a`");
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a\n# b"), "`a # b`");
        assert_eq!(code(""), "`  `");
    }
}
