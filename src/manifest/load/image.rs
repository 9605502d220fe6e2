//! Loads `image` nodes: the id, the inherited and own fields, and their places.

use super::loader::{Above, File, Loader};
use crate::diagnostic::{Diagnostic, Spanned};
use crate::manifest::decode::{EXTENDING, Layer, OF_IMAGE, Scope};
use crate::manifest::inherit::{axes, combinations, merge, names_axes};
use crate::manifest::syntax::{Node, bare, one_argument, only_props, prop};
use crate::spec::rules::{check_id, check_id_once};
use crate::workspace::Image;

impl Loader<'_> {
    /// Loads all images of an `image` node.
    pub(super) fn image(&mut self, node: &Node, file: &File<'_>, here: &Above<'_>) {
        self.head(node);
        let axes = axes(node, here.scope, &mut self.notes)
            .filter(|axes| names_axes(node, axes, &mut self.notes));
        let Some(axes) = axes else {
            self.notes.incomplete = true;
            return;
        };
        let allows = self.allows(&node.children, &file.allows);
        for scope in combinations(&axes, here.scope) {
            if self.notes.is_exhausted() {
                self.notes.incomplete = true;
                return;
            }
            let before = self.images.len();
            self.one(node, file, here, &scope);
            for image in &mut self.images[before..] {
                image.allows.clone_from(&allows);
            }
        }
    }

    fn head(&mut self, node: &Node) {
        only_props(node, EXTENDING, &mut self.notes);
        if one_argument(node, "an image has one id", &mut self.notes).is_none() {
            self.notes.tell(
                Diagnostic::missing("an image needs an id", &node.name.place)
                    .help("write `image \"name\" { … }`"),
            );
        }
    }

    /// Loads one image, with the values of its axes in scope.
    fn one(&mut self, node: &Node, file: &File<'_>, here: &Above<'_>, scope: &Scope<'_>) {
        let id = node.args.first();
        let id = id.and_then(|id| scope.text(id, "image", &mut self.notes));
        let id = id.filter(|id| self.notes.accept(check_id(id)).is_some());
        let extends = self.extends(node, scope);
        let own = self
            .decoder(scope, &file.folder, "an image", OF_IMAGE)
            .layer(&node.children);
        let templates = here
            .templates
            .layers(&extends, &file.plain_ids, &mut self.notes);
        let Some(id) = id else {
            // Other images may refer to the id that could not be read.
            self.notes.incomplete = true;
            return;
        };
        if self.notes.accept(check_id_once(&id, &self.ids)).is_none() {
            return;
        }
        let sets = self.sets.layers(&id.text, &file.folder, &mut self.notes);
        let mut layers: Vec<&Layer> = here.defaults.to_vec();
        layers.extend(templates);
        layers.push(&own);
        layers.extend(&sets);
        let (spec, places) = merge(&layers, id.place, &mut self.notes);
        self.ids.insert(id.text.clone(), id.place);
        self.images.push(Image {
            id: id.text,
            spec: Box::new(spec),
            folder: file.folder.clone(),
            places,
            allows: Vec::new(),
        });
    }

    /// The templates that an image or template extends: those in the property, then those in `extends` nodes.
    pub(super) fn extends(&mut self, node: &Node, scope: &Scope<'_>) -> Vec<Spanned> {
        let notes = &mut self.notes;
        if node.name.text == "template" {
            only_props(node, EXTENDING, notes);
        }
        let mut values = Vec::new();
        values.extend(prop(node, "extends").map(|prop| &prop.value));
        for child in node.children.iter().filter(|it| it.name.text == "extends") {
            bare(child, &[], notes);
            if child.args.is_empty() {
                let message = "`extends` needs the name of a template";
                notes.tell(Diagnostic::missing(message, &child.name.place));
            }
            values.extend(&child.args);
        }
        let values = values.into_iter();
        values
            .filter_map(|value| scope.text(value, "extends", notes))
            .collect()
    }
}
