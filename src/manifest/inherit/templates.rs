//! Resolves `template`: finds the layers to inherit and puts them in order.
//!
//! A template that is reached several times is applied once, where it is first reached, so that lists are not duplicated.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Place, Spanned, quoted};
use crate::manifest::decode::{Layer, Seen, UNDECLARED};
use crate::manifest::notes::Notes;
use crate::suggest::closest;

pub(in crate::manifest) struct Template {
    pub place: Place,
    pub layer: Layer,
    pub extends: Vec<Spanned>,
}

pub(in crate::manifest) type Templates<'a> = Seen<'a, Template>;

pub(in crate::manifest) static NO_TEMPLATES: Templates<'static> = Seen::NOTHING;

impl Template {
    /// The template's name, at the place of its declaration.
    pub(in crate::manifest) fn named(&self, name: &str) -> Spanned {
        Spanned::plain(name, self.place)
    }
}

impl Templates<'_> {
    /// The layers of the named templates and of those that they extend, lowest first.
    pub(in crate::manifest) fn layers<'t>(
        &'t self,
        names: &'t [Spanned],
        images: &BTreeSet<String>,
        notes: &mut Notes,
    ) -> Vec<&'t Layer> {
        enum Visit<'t> {
            Enter(&'t Spanned),
            Leave(&'t Template),
        }
        let mut layers = Vec::new();
        let mut done: BTreeSet<&str> = BTreeSet::new();
        let mut way: Vec<&Spanned> = Vec::new();
        let mut on_way: BTreeSet<&str> = BTreeSet::new();
        let mut steps: Vec<Visit> = names.iter().rev().map(Visit::Enter).collect();
        while let Some(step) = steps.pop() {
            match step {
                Visit::Leave(template) => {
                    on_way.remove(way.pop().map_or("", |name| &name.text));
                    layers.push(&template.layer);
                }
                Visit::Enter(name) => {
                    if on_way.contains(name.text.as_str()) {
                        let start = way.iter().position(|hop| hop.text == name.text);
                        notes.tell(circle(&way[start.unwrap_or(0)..], name));
                    } else if let Some(template) = self.find(&name.text) {
                        // The search for cycles starts at the declarations, which are not uses.
                        if name.place != template.place {
                            notes.use_of(&template.place, &name.place);
                        }
                        if done.insert(&name.text) && notes.spend(64, &name.place) {
                            way.push(name);
                            on_way.insert(&name.text);
                            steps.push(Visit::Leave(template));
                            steps.extend(template.extends.iter().rev().map(Visit::Enter));
                        }
                    } else if !notes.incomplete {
                        notes.tell(self.unknown(name, images));
                    }
                }
            }
        }
        layers
    }

    fn unknown(&self, name: &Spanned, images: &BTreeSet<String>) -> Diagnostic {
        let (text, place) = (&name.text, name.place);
        let mistake = Diagnostic::error("unknown-template", format!("unknown template `{text}`"));
        if images.contains(text) {
            return mistake
                .at(place, "this is an image")
                .help("only templates can be extended; to build on an image, write `base-image image=\"…\"`");
        }
        let meant = closest(text, self.names());
        let mistake = mistake.unfixed(&place, meant, UNDECLARED);
        match meant {
            Some(meant) => mistake.fix(place, quoted(meant)),
            None => mistake.help(format!("declare it: `template \"{text}\" {{ … }}`")),
        }
    }
}

/// The error for templates that extend each other; it is the same wherever the cycle is entered.
fn circle(way: &[&Spanned], back: &Spanned) -> Diagnostic {
    // Each hop consists of a template, the one it extends, and the place that says so. The first name was reached from outside
    // the cycle.
    let mut hops: Vec<(&str, &Spanned)> = way
        .iter()
        .zip(way.iter().skip(1).copied().chain([back]))
        .map(|(from, to)| (from.text.as_str(), to))
        .collect();
    let first = (0..hops.len())
        .min_by_key(|at| {
            let place = &hops[*at].1.place;
            (place.source, place.start())
        })
        .unwrap_or(0);
    hops.rotate_left(first);
    let (name, extended) = hops[0];
    if hops.len() == 1 {
        return Diagnostic::error("cycle", format!("template `{name}` extends itself"))
            .at(extended.place, "");
    }
    let names: Vec<String> = hops
        .iter()
        .map(|(name, _)| *name)
        .chain([name])
        .map(|name| format!("`{name}`"))
        .collect();
    let mistake = Diagnostic::error(
        "cycle",
        format!(
            "templates extend each other in a cycle: {}",
            names.join(" -> ")
        ),
    )
    .at(
        extended.place,
        format!("`{name}` extends `{}`", extended.text),
    );
    hops[1..].iter().fold(mistake, |mistake, (from, to)| {
        mistake.with(to.place, format!("`{from}` extends `{}`", to.text))
    })
}
