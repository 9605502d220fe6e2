//! `image` nodes → images: the id, what is inherited, and where all was said.

use super::decode::prop;
use super::decode_values::misnamed;
use super::file::{Above, File, Loader};
use super::layer::{self, Layer};
use super::matrix;
use super::notes::{Text, shown};
use super::rules;
use super::scope::Scope;
use super::syntax::Node;
use crate::diagnostic::Diagnostic;
use crate::spec::WorkspacePath;
use crate::workspace::Image;

/// Images that a workspace may have.
const IMAGE_LIMIT: usize = 10_000;

impl Loader<'_> {
    /// All images of one `image` node.
    pub(super) fn image(&mut self, node: &Node, file: &File<'_>, here: &Above<'_>) {
        self.head(node);
        let Some(axes) = self.axes(node, here.scope) else {
            self.notes.incomplete = true;
            return;
        };
        if self.unnamed_axes(node, &axes) {
            self.notes.incomplete = true;
            return;
        }
        for scope in matrix::combinations(&axes, here.scope) {
            if self.notes.is_exhausted() {
                self.notes.incomplete = true;
                return;
            }
            self.one(node, file, here, &scope);
        }
    }

    fn head(&mut self, node: &Node) {
        let scope = Scope::default();
        let folder = WorkspacePath::default();
        self.decoder(&scope, &folder, "an image", &[])
            .only_props(node, &["extends"]);
        if let Some(second) = node.args.get(1) {
            self.notes.tell(
                Diagnostic::error("too-many-arguments", "an image has one id")
                    .at(second.place.clone(), "one too many"),
            );
        }
        if node.args.is_empty() {
            self.notes.tell(
                Diagnostic::error("missing-argument", "an image needs an id")
                    .at(node.name.place.clone(), "nothing follows")
                    .help("write `image \"name\" { … }`"),
            );
        }
    }

    /// One image, with its axes in the scope.
    fn one(&mut self, node: &Node, file: &File<'_>, here: &Above<'_>, scope: &Scope<'_>) {
        let id = self.id(node, scope);
        let extends = self.extends(node, scope, &file.folder);
        let own = self
            .decoder(scope, &file.folder, "an image", &["extends", "matrix"])
            .layer(&node.children);
        let templates = here
            .templates
            .layers(&extends, &file.plain_ids, &mut self.notes);
        let Some(id) = id else {
            // Others may name the id that could not be read.
            self.notes.incomplete = true;
            return;
        };
        if !self.is_new(&id) {
            return;
        }
        let sets = self.sets.layers(&id.text, &file.folder, &mut self.notes);
        let mut layers: Vec<&Layer> = here.defaults.to_vec();
        layers.extend(templates);
        layers.push(&own);
        layers.extend(&sets);
        let (spec, mut places) = layer::merge(&layers, &mut self.notes);
        places.insert("", id.place.clone());
        self.ids.insert(id.text.clone(), id.place);
        self.images.push(Image {
            id: id.text,
            spec,
            folder: file.folder.clone(),
            places,
        });
    }

    fn id(&mut self, node: &Node, scope: &Scope<'_>) -> Option<Text> {
        let id = scope.text(node.args.first()?, "image", &mut self.notes)?;
        match rules::id(&id.text) {
            Ok(()) => Some(id),
            Err(refused) => {
                self.notes.tell(misnamed("an image", &id, refused));
                None
            }
        }
    }

    fn is_new(&mut self, id: &Text) -> bool {
        if let Some(before) = self.ids.get(&id.text) {
            let mistake = Diagnostic::error(
                "duplicate-image",
                format!("image `{}` is declared twice", shown(&id.text)),
            );
            self.notes.tell(if *before == id.place {
                mistake
                    .at(
                        id.place.clone(),
                        "two combinations of the matrix have this id",
                    )
                    .help("put something between the axes in the id")
            } else {
                mistake
                    .at(id.place.clone(), "again here")
                    .with(before.clone(), "first declared here")
            });
            return false;
        }
        if self.images.len() == IMAGE_LIMIT {
            self.notes.tell(
                Diagnostic::error(
                    "too-large",
                    format!("the workspace has more than {IMAGE_LIMIT} images"),
                )
                .at(id.place.clone(), "one too many"),
            );
        }
        self.images.len() < IMAGE_LIMIT
    }

    /// The templates that an image or template extends: of the property, then of the `extends` nodes.
    pub(super) fn extends(
        &mut self,
        node: &Node,
        scope: &Scope<'_>,
        folder: &WorkspacePath,
    ) -> Vec<Text> {
        let mut decoder = self.decoder(scope, folder, "", &[]);
        if node.name.text == "template" {
            decoder.only_props(node, &["extends"]);
        }
        let mut values = Vec::new();
        values.extend(prop(node, "extends").map(|prop| &prop.value));
        for child in node.children.iter().filter(|it| it.name.text == "extends") {
            decoder.only_props(child, &[]);
            decoder.no_block(child);
            if child.args.is_empty() {
                decoder.notes.tell(
                    Diagnostic::error("missing-argument", "`extends` needs the name of a template")
                        .at(child.name.place.clone(), "nothing follows"),
                );
            }
            values.extend(&child.args);
        }
        values
            .into_iter()
            .filter_map(|value| scope.text(value, "extends", &mut self.notes))
            .collect()
    }
}
