//! Finds the nodes that an edit concerns, and explains why an edit cannot be made.

use super::holder::{Holder, declaration, text_of};
use crate::diagnostic::{Diagnostic, Place, SourceId};
use crate::manifest::{self, Node, Token, Value};
use crate::session::Refusal;
use crate::spec::fields::{self, Field, FieldKind};
use crate::workspace::{Image, Loaded, Places, Workspace};

/// How a field's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A single value.
    One,
    /// Several values in one node.
    Words,
    /// Several values in any number of nodes.
    List,
    /// Named values in any number of nodes.
    Map,
}

/// A field of an image or template, in the manifest that declares it.
pub(super) struct Target<'a> {
    workspace: &'a Workspace,
    /// Whose field it is.
    pub of: &'a Holder,
    pub field: &'static Field,
    pub shape: Shape,
    /// Path of the manifest in the workspace.
    pub path: &'a str,
    pub text: &'a str,
    pub source: SourceId,
    pub tokens: Vec<Token>,
    /// All nodes of the manifest.
    pub nodes: Vec<Node>,
    /// Index of the image or template among `nodes`.
    pub at: usize,
    /// The places of an image's fields. What a template inherits from others is not looked up: its own values simply add to
    /// them or replace them.
    places: Option<&'a Places>,
}

impl<'a> Target<'a> {
    pub(super) fn find(loaded: &'a Loaded, of: &'a Holder, field: &str) -> Result<Self, Refusal> {
        let workspace = &loaded.workspace;
        let field = fields::find(field).ok_or_else(|| unknown_field(field))?;
        let (head, places) = declaration(loaded, of)?;
        let source = workspace.sources.get(head.source);
        let wrong = |mistakes| Refusal::Wrong(mistakes, workspace.sources.clone());
        let (nodes, mistakes) = manifest::parse(&source.text, head.source);
        let is_it = |node: &Node| {
            node.name.text == of.node() && node.args.first().is_some_and(|id| id.place == head)
        };
        let at = nodes.iter().position(is_it);
        let Some(at) = at.filter(|_| mistakes.is_empty()) else {
            return Err(wrong(mistakes));
        };
        let place_of = |name: &str| {
            let children = &nodes[at].children;
            let child = children.iter().find(|child| child.name.text == name);
            child.map(|child| &child.name.place)
        };
        if let Some(matrix) = place_of("matrix") {
            let mistake = of_a_matrix(&workspace.images, of, &head, matrix);
            return Err(wrong(vec![mistake]));
        }
        let Some(shape) = shape(field.kind) else {
            let place = place_of(field.name).unwrap_or(&head);
            return Err(wrong(vec![by_hand(field.name, *place)]));
        };
        Ok(Self {
            workspace,
            of,
            field,
            shape,
            path: &source.path,
            text: &source.text,
            source: head.source,
            tokens: manifest::tokens(&source.text, head.source),
            nodes,
            at,
            places,
        })
    }

    pub(super) fn node(&self) -> &Node {
        &self.nodes[self.at]
    }

    /// The place of the id or name.
    pub(super) fn head(&self) -> &Place {
        let node = self.node();
        let name = node.args.first();
        name.map_or(&node.name.place, |name| &name.place)
    }

    /// Its own nodes of the field.
    pub(super) fn own(&self) -> Vec<&Node> {
        let children = self.node().children.iter();
        children
            .filter(|node| node.name.text == self.field.name)
            .collect()
    }

    /// The inherited values with their places; empty for maps, see [`Self::inherited_entry`].
    pub(super) fn inherited(&self) -> Vec<(String, &'a Place)> {
        let name = self.field.name;
        let Some(known) = self.places else {
            return Vec::new();
        };
        let places: Vec<&Place> = match self.shape {
            Shape::One => known
                .get(name)
                .filter(|_| known.has(name))
                .into_iter()
                .collect(),
            // Its own value replaces all inherited ones.
            Shape::Words if !self.own().is_empty() => Vec::new(),
            Shape::Words | Shape::List => {
                let mut places = Vec::new();
                while let part = format!("{name}[{}]", places.len())
                    && known.has(&part)
                {
                    places.extend(known.get(&part));
                }
                places
            }
            Shape::Map => Vec::new(),
        };
        let inherited = places.into_iter().filter(|place| !self.is_own(place));
        inherited
            .map(|place| (self.value_at(place), place))
            .collect()
    }

    /// The inherited entry of a map, with its place.
    pub(super) fn inherited_entry(&self, key: &str) -> Option<(String, &'a Place)> {
        let part = format!("{}.{key}", self.field.name);
        let known = self.places?;
        let place = known.get(&part).filter(|_| known.has(&part))?;
        (!self.is_own(place)).then(|| (self.value_at(place), place))
    }

    fn is_own(&self, place: &Place) -> bool {
        let own = self.own();
        let spans = |node: &&Node| {
            let last = node
                .children
                .last()
                .map_or(node.head().end(), |child| child.head().end());
            (node.name.place.start()..last.max(node.head().end())).contains(&place.start())
        };
        place.source == self.source && own.iter().any(spans)
    }

    /// The value at a place.
    fn value_at(&self, place: &Place) -> String {
        let text = &self.workspace.sources.get(place.source).text;
        let source_text = text.get(place.span()).unwrap_or_default();
        let (nodes, _) = manifest::parse(&format!("value {source_text}"), place.source);
        let value = nodes.first().and_then(|node| node.args.first());
        value.map_or(source_text.to_owned(), |value| text_of(value, source_text))
    }

    pub(super) fn value(&self, value: &Value) -> String {
        text_of(value, self.written(value.place.span()))
    }

    pub(super) fn written(&self, span: std::ops::Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    /// The error for an edit that would have to change an inherited value.
    pub(super) fn refuse_inherited(&self, what: &str, place: &Place, help: String) -> Refusal {
        let template = self.template_of(place);
        let (from, who) = match &template {
            Some(template) => (template.to_string(), "all images that extend the template"),
            None => ("`defaults`".to_owned(), "all images below it"),
        };
        let of = self.of;
        let mistake = Diagnostic::error("inherited", format!("`{what}` of {of} comes from {from}"))
            .at(*place, format!("edit it here, for {who}"));
        let mistake = match self.places.and_then(|places| places.get("")) {
            Some(head) => mistake.with(*head, format!("`{}` inherits it", of.name())),
            None => mistake,
        };
        let mistake = mistake.help(help);
        self.refuse(match template {
            Some(template) => mistake.help(format!(
                "for all of them, give `--template {}` instead of `{}`",
                template.name(),
                of.name()
            )),
            None => mistake,
        })
    }

    pub(super) fn refuse(&self, mistake: Diagnostic) -> Refusal {
        Refusal::Wrong(vec![mistake], self.workspace.sources.clone())
    }

    /// The template that declares an inherited value; `None` if `defaults` does.
    fn template_of(&self, place: &Place) -> Option<Holder> {
        let text = &self.workspace.sources.get(place.source).text;
        let (nodes, _) = manifest::parse(text, place.source);
        let above = nodes
            .iter()
            .rfind(|node| node.name.place.start() <= place.start());
        let template = above
            .filter(|node| node.name.text == "template")
            .and_then(|node| node.args.first());
        template.map(|name| Holder::Template(text_of(name, "")))
    }
}

/// How values of the field are written; `None` if commands cannot edit the field.
fn shape(kind: FieldKind) -> Option<Shape> {
    match kind {
        FieldKind::Text(_)
        | FieldKind::Flag(_)
        | FieldKind::Path(_)
        | FieldKind::CopyMode
        | FieldKind::Base => Some(Shape::One),
        FieldKind::Words(_) | FieldKind::Shell(_) | FieldKind::Platforms => Some(Shape::Words),
        FieldKind::List(_) | FieldKind::Ports(_) => Some(Shape::List),
        FieldKind::Map(..) => Some(Shape::Map),
        FieldKind::Copies
        | FieldKind::Mounts
        | FieldKind::Secrets
        | FieldKind::Steps
        | FieldKind::Healthcheck
        | FieldKind::Dockerfile => None,
    }
}

fn unknown_field(name: &str) -> Refusal {
    if matches!(name, "extends" | "matrix") {
        return Refusal::usage(
            format!("commands cannot edit `{name}`"),
            "edit the image by hand",
        );
    }
    let help = fields::meant(name, &[]).map_or_else(
        || "docs/manifest.md lists all fields".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    );
    Refusal::usage(format!("there is no field `{name}`"), help)
}

fn of_a_matrix(images: &[Image], of: &Holder, head: &Place, matrix: &Place) -> Diagnostic {
    let siblings = images
        .iter()
        .filter(|it| it.places.get("") == Some(head))
        .count();
    let message = format!("{of} is one of the {siblings} images of a matrix");
    Diagnostic::error("inherited", message)
        .at(*head, "edit it here, for all of them")
        .with(*matrix, "this declares several images")
}

fn by_hand(field: &str, place: Place) -> Diagnostic {
    Diagnostic::error("by-hand", format!("commands cannot edit `{field}`"))
        .at(place, "edit it here by hand")
        .help("commands can edit strings, paths, lists and maps")
}
