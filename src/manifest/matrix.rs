//! `matrix`: one image for each combination of the values of its axes.

use std::collections::BTreeMap;

use super::decode_values::misnamed;
use super::file::Loader;
use super::notes::Text;
use super::scope::{Name, Scope, is_name};
use super::syntax::{Data, Node};
use crate::diagnostic::{Diagnostic, Place};
use crate::reference::Refused;

/// Images that one matrix may make.
const COMBINATION_LIMIT: usize = 1000;

/// One axis of a matrix.
pub(super) struct Axis {
    pub name: Text,
    pub values: Vec<String>,
}

impl Loader<'_> {
    /// The axes of an image; none when a mistake in them was told.
    pub(super) fn axes(&mut self, image: &Node, scope: &Scope<'_>) -> Option<Vec<Axis>> {
        let mut matrices = image.children.iter().filter(|it| it.name.text == "matrix");
        let Some(matrix) = matrices.next() else {
            return Some(Vec::new());
        };
        let told = self.notes.mistakes.len();
        if let Some(second) = matrices.next() {
            self.notes.tell(
                Diagnostic::error("duplicate-field", "`matrix` is said twice")
                    .at(second.name.place.clone(), "again here")
                    .with(matrix.name.place.clone(), "first said here")
                    .help("put all axes into one: `matrix { a \"1\" \"2\"; b \"3\" \"4\" }`"),
            );
        }
        if matrix.children.is_empty() || !matrix.args.is_empty() || !matrix.props.is_empty() {
            self.notes.tell(
                Diagnostic::error("missing-argument", "`matrix` takes a block of axes")
                    .at(matrix.head(), "")
                    .help("write `matrix { python \"3.11\" \"3.12\" }`"),
            );
        }
        let mut axes: Vec<Axis> = Vec::new();
        for node in &matrix.children {
            let next = self.axis(node, scope);
            if let Some(before) = axes.iter().find(|it| it.name.text == next.name.text) {
                self.notes.tell(
                    Diagnostic::error(
                        "duplicate-field",
                        format!("axis `{}` stands twice", next.name.text),
                    )
                    .at(next.name.place, "again here")
                    .with(before.name.place.clone(), "first here"),
                );
            } else {
                axes.push(next);
            }
        }
        self.too_many(matrix, &axes);
        (self.notes.mistakes.len() == told).then_some(axes)
    }

    fn axis(&mut self, node: &Node, scope: &Scope<'_>) -> Axis {
        let name = Text {
            text: node.name.text.clone(),
            place: node.name.place.clone(),
            plain: true,
        };
        if !is_name(&name.text) {
            let why = "a name has letters, digits, `_` and `-`, and begins with a letter";
            self.notes
                .tell(misnamed("an axis", &name, Refused::because(why)));
        }
        if let Some(variable) = scope.find(&name.text) {
            self.notes.tell(
                Diagnostic::error(
                    "duplicate-variable",
                    format!("axis `{}` has the name of a variable", name.text),
                )
                .at(name.place.clone(), "call it otherwise")
                .with(variable.place.clone(), "the variable"),
            );
        }
        let mut decoder = self.decoder(scope, EMPTY, "a matrix", &[]);
        decoder.only_props(node, &[]);
        decoder.no_block(node);
        if node.args.is_empty() {
            decoder.notes.tell(
                Diagnostic::error(
                    "missing-argument",
                    format!("axis `{}` has no values", name.text),
                )
                .at(name.place.clone(), "nothing follows"),
            );
        }
        let values = self.axis_values(node, &name, scope);
        Axis { name, values }
    }

    fn axis_values(&mut self, node: &Node, name: &Text, scope: &Scope<'_>) -> Vec<String> {
        let mut first: BTreeMap<String, Place> = BTreeMap::new();
        let mut values = Vec::new();
        for value in &node.args {
            let Some(text) = scope.text(value, &name.text, &mut self.notes) else {
                continue;
            };
            if let Some(before) = first.insert(text.text.clone(), text.place.clone()) {
                self.notes.tell(
                    Diagnostic::error(
                        "duplicate-field",
                        format!("axis `{}` has `{}` twice", name.text, text.text),
                    )
                    .at(text.place, "again here")
                    .with(before, "first here"),
                );
            } else {
                values.push(text.text);
            }
        }
        values
    }

    fn too_many(&mut self, matrix: &Node, axes: &[Axis]) {
        let count = axes.iter().fold(1_usize, |count, axis| {
            count.saturating_mul(axis.values.len())
        });
        if count > COMBINATION_LIMIT {
            self.notes.tell(
                Diagnostic::error("too-large", format!("this matrix makes {count} images")).at(
                    matrix.name.place.clone(),
                    format!("at most {COMBINATION_LIMIT} can be made"),
                ),
            );
        }
    }

    /// Tells axes that the id of a matrix image does not name: its images would have one id.
    pub(super) fn unnamed_axes(&mut self, image: &Node, axes: &[Axis]) -> bool {
        let Some(id) = image.args.first() else {
            return false;
        };
        let Data::Text { text, quoted } = &id.data else {
            return false;
        };
        let holes: Vec<&str> = text
            .split("{{")
            .skip(1)
            .filter_map(|part| part.split_once("}}"))
            .map(|(name, _)| name.trim())
            .filter(|_| *quoted)
            .collect();
        let missing: Vec<&Axis> = axes
            .iter()
            .filter(|axis| axis.values.len() > 1 && !holes.contains(&axis.name.text.as_str()))
            .collect();
        let Some(first) = missing.first() else {
            return false;
        };
        let mended = missing.iter().fold(text.clone(), |id, axis| {
            format!("{id}-{{{{ {} }}}}", axis.name.text)
        });
        let mistake = Diagnostic::error(
            "duplicate-image",
            format!("all images of this matrix would be called `{text}`"),
        )
        .at(
            id.place.clone(),
            format!("the id does not name the axis `{}`", first.name.text),
        )
        .with(
            first.name.place.clone(),
            format!("{} values", first.values.len()),
        );
        self.notes
            .tell(mistake.fix(id.place.clone(), super::notes::quoted(&mended)));
        true
    }
}

/// No path is said in a matrix.
const EMPTY: &crate::spec::WorkspacePath = &crate::spec::WorkspacePath::ROOT;

/// What the axes mean in each combination, the first axis changing slowest.
pub(super) fn combinations<'s>(axes: &[Axis], scope: &'s Scope<'s>) -> Vec<Scope<'s>> {
    let count = axes.iter().map(|axis| axis.values.len()).product();
    let scope_of = |number: usize| {
        let mut rest = number;
        let mut own = BTreeMap::new();
        for axis in axes.iter().rev() {
            let value = axis.values[rest % axis.values.len()].clone();
            rest /= axis.values.len();
            own.insert(
                axis.name.text.clone(),
                Name {
                    value: Some(value),
                    place: axis.name.place.clone(),
                },
            );
        }
        Scope {
            own,
            outer: Some(scope),
        }
    };
    (0..count).map(scope_of).collect()
}
