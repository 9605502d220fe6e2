//! Expands `matrix` to one image for each combination of axis values.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Spanned, quoted};
use crate::manifest::decode::{Name, Scope};
use crate::manifest::notes::Notes;
use crate::manifest::syntax::{Data, Node, bare};
use crate::spec::rules::{check_called, check_once, declared_name};
use crate::workspace::Meaning;

const COMBINATION_LIMIT: usize = 1000;

pub(in crate::manifest) struct Axis {
    name: Spanned,
    values: Vec<String>,
}

/// The axes of an image; `None` if errors in them were reported.
pub(in crate::manifest) fn axes(
    image: &Node,
    scope: &Scope<'_>,
    notes: &mut Notes,
) -> Option<Vec<Axis>> {
    let mut matrices = image.children.iter().filter(|it| it.name.text == "matrix");
    let Some(matrix) = matrices.next() else {
        return Some(Vec::new());
    };
    let told = notes.mistakes.len();
    if let Some(second) = matrices.next() {
        notes.tell(
            twice("`matrix` is given twice", &second.name, &matrix.name)
                .help("put all axes into one: `matrix { a \"1\" \"2\"; b \"3\" \"4\" }`"),
        );
    }
    if matrix.children.is_empty() || !matrix.args.is_empty() || !matrix.props.is_empty() {
        notes.tell(
            Diagnostic::error("missing-argument", "`matrix` takes a block of axes")
                .at(matrix.head(), "")
                .help("write `matrix { python \"3.11\" \"3.12\" }`"),
        );
    }
    let mut axes: Vec<Axis> = Vec::new();
    for node in &matrix.children {
        let next = axis(node, scope, notes);
        if let Some(before) = axes.iter().find(|it| it.name.text == next.name.text) {
            let message = format!("axis `{}` is given twice", next.name.text);
            notes.tell(twice(message, &next.name, &before.name));
        } else {
            axes.push(next);
        }
    }
    let counts = axes.iter().map(|axis| axis.values.len());
    let count = counts.fold(1, usize::saturating_mul);
    if count > COMBINATION_LIMIT {
        let limit = format!("the limit is {COMBINATION_LIMIT}");
        notes.tell(
            Diagnostic::error("too-large", format!("this matrix makes {count} images"))
                .at(matrix.name.place, limit),
        );
    }
    (notes.mistakes.len() == told).then_some(axes)
}

fn axis(node: &Node, scope: &Scope<'_>, notes: &mut Notes) -> Axis {
    let name = node.name.clone();
    notes.accept(check_called("an axis", declared_name, &name));
    if let Some(variable) = scope.find(&name.text) {
        let message = format!("axis `{}` has the name of a variable", name.text);
        notes.tell(
            Diagnostic::error("duplicate-variable", message)
                .at(name.place, "rename it")
                .with(variable.place, "the variable"),
        );
    }
    bare(node, &[], notes);
    if node.args.is_empty() {
        let message = format!("axis `{}` has no values", name.text);
        notes.tell(Diagnostic::missing(message, &name.place));
    }
    let values = axis_values(node, scope, notes);
    notes.declare(&name, || Meaning::Axis(values.clone()));
    Axis { name, values }
}

fn axis_values(node: &Node, scope: &Scope<'_>, notes: &mut Notes) -> Vec<String> {
    let name = &node.name.text;
    let values = node.args.iter();
    let values: Vec<Spanned> = values
        .filter_map(|value| scope.text(value, name, notes))
        .collect();
    notes.tell_all(check_once(&values, |value| {
        format!("axis `{name}` has `{value}` twice")
    }));
    values.into_iter().map(|value| value.text).collect()
}

fn twice(message: impl Into<String>, again: &Spanned, first: &Spanned) -> Diagnostic {
    Diagnostic::twice("duplicate-field", message, &again.place, &first.place)
}

/// Whether the id of a matrix image refers to all axes. Otherwise reports that several images would have the same id.
pub(in crate::manifest) fn names_axes(image: &Node, axes: &[Axis], notes: &mut Notes) -> bool {
    let Some(id) = image.args.first() else {
        return true;
    };
    let Data::Text { text, quoted: open } = &id.data else {
        return true;
    };
    let holes: Vec<&str> = text
        .split("{{")
        .skip(1)
        .filter_map(|part| part.split_once("}}"))
        .map(|(name, _)| name.trim())
        .filter(|_| *open)
        .collect();
    let missing: Vec<&Axis> = axes
        .iter()
        .filter(|axis| axis.values.len() > 1 && !holes.contains(&axis.name.text.as_str()))
        .collect();
    let Some(first) = missing.first() else {
        return true;
    };
    let mended = missing.iter().fold(text.clone(), |id, axis| {
        format!("{id}-{{{{ {} }}}}", axis.name.text)
    });
    let message = format!("all images of this matrix would have the id `{text}`");
    let unnamed = format!("the id does not contain the axis `{}`", first.name.text);
    let values = format!("{} values", first.values.len());
    notes.tell(
        Diagnostic::error("duplicate-image", message)
            .at(id.place, unnamed)
            .with(first.name.place, values)
            .fix(id.place, quoted(&mended)),
    );
    false
}

/// The scopes of all combinations; the first axis changes slowest.
pub(in crate::manifest) fn combinations<'s>(axes: &[Axis], scope: &'s Scope<'s>) -> Vec<Scope<'s>> {
    let count = axes.iter().map(|axis| axis.values.len()).product();
    let scope_of = |number: usize| {
        let mut rest = number;
        let mut own = BTreeMap::new();
        for axis in axes.iter().rev() {
            let value = axis.values[rest % axis.values.len()].clone();
            rest /= axis.values.len();
            let place = axis.name.place;
            let value = Some(value);
            own.insert(axis.name.text.clone(), Name { value, place });
        }
        Scope {
            own,
            outer: Some(scope),
        }
    };
    (0..count).map(scope_of).collect()
}
