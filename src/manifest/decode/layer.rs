//! Decodes a `defaults`, `template` or `image` node: finds the field of each child, and decodes it according to its kind.

use std::collections::BTreeMap;

use super::decoded::{Decoded, Entry, Layer};
use super::decoder::Decoder;
use super::known::TOP_NODES;
use crate::diagnostic::{Diagnostic, Place, Spanned};
use crate::manifest::syntax::{Data, Node, prop};
use crate::spec::SourceCopyMode;
use crate::spec::fields::{self, Field, FieldKind};
use crate::spec::rules::check_names_once;
use crate::suggest::near_words;

impl Decoder<'_> {
    pub(in crate::manifest) fn layer(&mut self, nodes: &[Node]) -> Layer {
        let mut first: BTreeMap<&str, Place> = BTreeMap::new();
        let mut layer = Layer::default();
        for node in nodes {
            let Some(field) = self.field(node) else {
                continue;
            };
            if field.kind.is_single()
                && let Some(before) = first.insert(field.name, node.name.place)
            {
                self.said_twice(field, node, &before);
            }
            layer.0.push(self.entry(field, node));
        }
        self.names_once(&layer);
        layer
    }

    fn names_once(&mut self, layer: &Layer) {
        let mut names: BTreeMap<&str, Vec<&Spanned>> = BTreeMap::new();
        for entry in &layer.0 {
            let given = entry.decoded.iter().flat_map(Decoded::names);
            let mut given = given.peekable();
            if given.peek().is_some() {
                names.entry(entry.field.name).or_default().extend(given);
            }
        }
        for (field, names) in names {
            self.notes.tell_all(check_names_once(field, names));
        }
    }

    /// The field that a node sets; `None` if an error was reported, or if the node is not a field but allowed here.
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
        if TOP_NODES.contains(&name) || matches!(name, "matrix" | "extends") {
            let belongs = match name {
                "matrix" => "a matrix belongs in an image",
                "extends" => "images and templates extend templates",
                "allow" => "it belongs at the top of a file, or in an image",
                _ => "it belongs at the top of a file",
            };
            self.notes.tell(
                Diagnostic::error("misplaced", format!("`{name}` cannot be used in {owner}"))
                    .at(*place, belongs),
            );
            return;
        }
        let besides = self.besides;
        self.notes.tell_with(|| {
            let message = format!("unknown field `{name}` in {owner}");
            let mistake = Diagnostic::error("unknown-field", message);
            let meant = fields::meant(name, besides);
            mistake
                .unknown(place, meant, "no field has this name")
                .or_help(near_words(
                    name,
                    fields::names(),
                    "docs/manifest.md lists all fields",
                ))
        });
    }

    fn said_twice(&mut self, field: &Field, node: &Node, before: &Place) {
        let name = field.name;
        let message = format!("`{name}` is given twice");
        let mistake = Diagnostic::twice("duplicate-field", message, &node.name.place, before);
        self.notes.tell(match field.kind {
            FieldKind::Words(_) | FieldKind::Shell(_) | FieldKind::Platforms => mistake.help(
                format!("write several values one after another: `{name} \"…\" \"…\"`"),
            ),
            _ => mistake.help("it holds a single value: remove one of the two lines"),
        });
    }

    fn entry(&mut self, field: &'static Field, node: &Node) -> Entry {
        let reset = self.reset(field, node);
        let bare =
            reset && node.args.is_empty() && node.children.is_empty() && node.props.len() == 1;
        Entry {
            field,
            place: node.name.place,
            reset,
            decoded: (!bare).then(|| self.decoded(field, node)).flatten(),
        }
    }

    fn decoded(&mut self, field: &Field, node: &Node) -> Option<Decoded> {
        Some(match field.kind {
            FieldKind::Text(slot) => Decoded::Text(slot, self.one(field, node)?),
            FieldKind::Path(slot) => {
                let (path, place) = self.path(field, node)?;
                Decoded::Path(slot, path, place)
            }
            FieldKind::Words(slot) => Decoded::Words(slot, self.words(field, node)?),
            FieldKind::Shell(slot) => Decoded::Words(slot, self.shell(field, node)?),
            FieldKind::List(slot) => Decoded::List(slot, self.list(field, node)?),
            FieldKind::Ports(slot) => Decoded::List(slot, self.ports(field, node)?),
            FieldKind::Healthcheck => {
                let (check, place) = self.healthcheck(field, node)?;
                Decoded::Healthcheck(check, place)
            }
            FieldKind::Map(slot, rule) => {
                Decoded::Map(slot, self.map(field.name, field.rule, rule, node))
            }
            FieldKind::Platforms => Decoded::Platforms(self.platforms(field, node)?),
            FieldKind::Flag(slot) => {
                let (flag, place) = self.flag(field, node)?;
                Decoded::Flag(slot, flag, place)
            }
            FieldKind::CopyMode => {
                let mode = self.one(field, node)?;
                Decoded::CopyMode(SourceCopyMode::named(&mode.text), mode.place)
            }
            FieldKind::Base => {
                let (base, place) = self.base(field, node)?;
                Decoded::Base(base, place)
            }
            FieldKind::Copies => Decoded::Copies(self.copies(node)?),
            FieldKind::Mounts => Decoded::Mounts(vec![self.mount(field, node)?]),
            FieldKind::Secrets => {
                let (secret, id) = self.secret(field, node)?;
                Decoded::Secret(secret, id)
            }
            FieldKind::Steps => Decoded::Steps(self.own_steps(node)),
            FieldKind::Dockerfile => {
                let (dockerfile, places) = self.own_dockerfile(field, node)?;
                Decoded::Dockerfile(dockerfile, places)
            }
        })
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
            .at(prop.value.place, "")
            .help(format!("`{name} reset=#true` discards inherited values"))
            .fix(prop.value.place, "#true");
        self.notes.tell(match field.kind {
            FieldKind::Map(..) => mistake.help(format!(
                "for an entry named `reset` write `{name} {{ reset \"…\" }}`"
            )),
            _ => mistake,
        });
        false
    }
}
