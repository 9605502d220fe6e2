//! The nodes of one `defaults`, `template` or `image` → a layer; every mistake in them.
//!
//! Reads no files. The choice made: a field that is wrong is told and left out, so the rest is still looked at.

use std::collections::BTreeMap;

use super::fields::{self, Field, Kind};
use super::layer::{Entry, Given, Layer};
use super::notes::{Notes, shown};
use super::scope::Scope;
use super::syntax::{Data, Node, Prop};
use crate::diagnostic::{Diagnostic, Place};
use crate::spec::WorkspacePath;
use crate::suggest::closest;

/// Nodes that stand at the top of a file.
pub(super) const TOP: &[&str] = &["workspace", "variable", "defaults", "template", "image"];

/// Decodes the fields of one node, with what is needed to understand them.
pub(super) struct Decoder<'a> {
    pub notes: &'a mut Notes,
    pub scope: &'a Scope<'a>,
    /// The folder that paths are relative to.
    pub folder: &'a WorkspacePath,
    /// `an image`, `a template` or `defaults`.
    pub owner: &'static str,
    /// Nodes besides fields that may stand here, decoded elsewhere.
    pub besides: &'static [&'static str],
}

impl Decoder<'_> {
    pub(super) fn layer(&mut self, nodes: &[Node]) -> Layer {
        let mut first: BTreeMap<&str, Place> = BTreeMap::new();
        let mut names: BTreeMap<(&str, String), Place> = BTreeMap::new();
        let mut layer = Layer::default();
        for node in nodes {
            let Some(field) = self.field(node) else {
                continue;
            };
            if field.kind.is_single()
                && let Some(before) = first.insert(field.name, node.name.place.clone())
            {
                self.twice(field, node, &before);
            }
            let entry = self.entry(field, node);
            for (name, place) in named(&entry.given) {
                let key = (field.name, name.to_owned());
                if let Some(before) = names.insert(key, place.clone()) {
                    self.named_twice(field, name, place, before);
                }
            }
            layer.0.push(entry);
        }
        layer
    }

    /// The field that a node gives; none when a mistake was told, or when it is no field but may be here.
    fn field(&mut self, node: &Node) -> Option<&'static Field> {
        let name = node.name.text.as_str();
        if self.besides.contains(&name) {
            return None;
        }
        let field = fields::find(name);
        if field.is_none() {
            self.unknown_field(node);
        }
        field
    }

    fn unknown_field(&mut self, node: &Node) {
        let (name, place) = (node.name.text.as_str(), &node.name.place);
        let owner = self.owner;
        if TOP.contains(&name) || matches!(name, "matrix" | "extends") {
            let belongs = match name {
                "matrix" => "a matrix belongs into an image",
                "extends" => "images and templates extend templates",
                _ => "it belongs to the top of a file",
            };
            self.notes.tell(
                Diagnostic::error("misplaced", format!("`{name}` stands inside of {owner}"))
                    .at(place.clone(), belongs),
            );
            return;
        }
        let mistake = Diagnostic::error(
            "unknown-field",
            format!("unknown field `{name}` in {owner}"),
        );
        let mistake = if let Some(meant) = fields::meant(name, self.besides) {
            mistake
                .at(place.clone(), format!("did you mean `{meant}`?"))
                .fix(place.clone(), meant)
        } else {
            let known: Vec<&str> = fields::names().collect();
            mistake
                .at(place.clone(), "no field has this name")
                .help(format!("the fields are {}", known.join(", ")))
        };
        self.notes.tell(mistake);
    }

    fn twice(&mut self, field: &Field, node: &Node, before: &Place) {
        let mistake =
            Diagnostic::error("duplicate-field", format!("`{}` is said twice", field.name))
                .at(node.name.place.clone(), "again here")
                .with(before.clone(), "first said here");
        self.notes.tell(match field.kind {
            Kind::Words => mistake.help(format!(
                "several values stand behind one another: `{} \"…\" \"…\"`",
                field.name
            )),
            _ => mistake.help("it has one value: leave one of the two lines"),
        });
    }

    fn named_twice(&mut self, field: &Field, name: &str, place: &Place, before: Place) {
        self.notes.tell(
            Diagnostic::error(
                "duplicate-field",
                format!("`{}` gives `{}` twice", field.name, shown(name)),
            )
            .at(place.clone(), "again here")
            .with(before, "first given here"),
        );
    }

    fn entry(&mut self, field: &'static Field, node: &Node) -> Entry {
        let reset = self.reset(field, node);
        let bare =
            reset && node.args.is_empty() && node.children.is_empty() && node.props.len() == 1;
        let given = if bare {
            None
        } else {
            match field.kind {
                Kind::Text => self.one(field, node).map(Given::Text),
                Kind::Path => self.path(field, node),
                Kind::Words => self.words(field, node).map(Given::Words),
                Kind::List => self.list(field, node).map(Given::List),
                Kind::Map => Some(Given::Map(self.map(field, node))),
                Kind::Base => self.base(field, node),
                Kind::Copy => self.copies(node).map(Given::Copies),
                Kind::Mounts => self.mounts(field, node),
                Kind::Secret => self.secret(field, node),
                Kind::Steps => self.own_steps(field, node),
                Kind::Dockerfile => self.own_dockerfile(field, node),
            }
        };
        Entry {
            field,
            place: node.name.place.clone(),
            reset,
            given: given.unwrap_or(Given::Nothing),
        }
    }

    fn reset(&mut self, field: &Field, node: &Node) -> bool {
        let Some(prop) = prop(node, "reset") else {
            return false;
        };
        if prop.value.data == Data::Bool(true) {
            return true;
        }
        let name = field.name;
        let mistake = Diagnostic::error("wrong-type", "`reset` takes `#true`")
            .at(prop.value.place.clone(), "")
            .help(format!("`{name} reset=#true` drops what was inherited"))
            .fix(prop.value.place.clone(), "#true");
        self.notes.tell(match field.kind {
            Kind::Map => mistake.help(format!(
                "for an entry named `reset` write `{name} {{ reset \"…\" }}`"
            )),
            _ => mistake,
        });
        false
    }

    pub(super) fn missing(&mut self, field: &Field, node: &Node) {
        let example = match field.kind {
            Kind::Map => "NAME=\"value\"",
            Kind::Mounts => "\"file\" to=\"/root/.netrc\"",
            Kind::Secret => "\"id\" env=\"VARIABLE\"",
            Kind::Steps => "{ run \"make\"; }",
            Kind::Dockerfile => "\"Dockerfile\"",
            _ => "\"…\"",
        };
        self.notes.tell(
            Diagnostic::error(
                "missing-argument",
                format!("`{}` needs a value", field.name),
            )
            .at(node.name.place.clone(), "nothing follows")
            .help(format!(
                "write `{name} {example}`, or `{name} reset=#true` to drop what was inherited",
                name = field.name
            )),
        );
    }

    /// Tells properties that are not known, and known ones that stand twice.
    pub(super) fn only_props(&mut self, node: &Node, known: &[&'static str]) {
        let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
        for prop in &node.props {
            let name = prop.name.text.as_str();
            if let Some(before) = first.insert(name, &prop.name.place) {
                self.notes.tell(
                    Diagnostic::error(
                        "duplicate-field",
                        format!("the property `{name}` stands twice"),
                    )
                    .at(prop.name.place.clone(), "again here")
                    .with(before.clone(), "first here"),
                );
            }
            if !known.contains(&name) {
                self.unknown_prop(node, prop, known);
            }
        }
    }

    fn unknown_prop(&mut self, node: &Node, prop: &Prop, known: &[&'static str]) {
        let (name, place) = (prop.name.text.as_str(), &prop.name.place);
        let mistake = Diagnostic::error(
            "unknown-property",
            format!("`{}` has no property `{name}`", node.name.text),
        );
        let wanted: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
        self.notes.tell(match closest(name, known.iter().copied()) {
            Some(meant) => mistake
                .at(place.clone(), format!("did you mean `{meant}`?"))
                .fix(place.clone(), meant),
            None if matches!(known, [] | ["reset"]) => {
                mistake.at(place.clone(), "it takes no properties")
            }
            None => mistake
                .at(prop.place(), "")
                .help(format!("it takes {}", wanted.join(", "))),
        });
    }

    pub(super) fn no_block(&mut self, node: &Node) {
        if let Some(place) = &node.block {
            self.notes.tell(
                Diagnostic::error("wrong-type", format!("`{}` takes no block", node.name.text))
                    .at(place.clone(), "opened here")
                    .help(format!(
                        "write its values behind it: `{} \"…\"`",
                        node.name.text
                    )),
            );
        }
    }
}

/// What is given by name, of which a layer gives each once.
fn named(given: &Given) -> Vec<(&str, &Place)> {
    match given {
        Given::Map(pairs) => {
            let names = pairs.iter().map(|(name, _)| name);
            names
                .map(|name| (name.text.as_str(), &name.place))
                .collect()
        }
        Given::Secret(secret, place) => vec![(&secret.id, place)],
        _ => Vec::new(),
    }
}

/// The property of this name; the last one where it stands twice.
pub(super) fn prop<'a>(node: &'a Node, name: &str) -> Option<&'a Prop> {
    node.props.iter().rev().find(|prop| prop.name.text == name)
}
