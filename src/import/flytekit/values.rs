//! Converts the values of one ImageSpec to strings that a manifest accepts.
//!
//! Where the source text and Python's interpretation differ, the source text wins. Values that the manifest's rules reject are
//! replaced by the suggested fix, or left out. Both get a note.

use super::value::{BOOLEAN, Scalar, SpecData, SpecField, SpecValue};
use crate::check::has_password;
use crate::diagnostic::shown;
use crate::import::imported::{At, NewNode, Note};
use crate::import::paths::Paths;
use crate::manifest;

/// Ends messages about images whose tag will differ from the one that flytekit computes.
pub(super) const OTHER_TAG: &str = "so the tag differs from flytekit's";

pub(super) struct SpecImage<'a> {
    pub id: &'a str,
    pub paths: &'a Paths,
    /// The image's fields so far.
    pub nodes: Vec<NewNode>,
    pub notes: &'a mut Vec<Note>,
}

impl SpecImage<'_> {
    pub(super) fn note(&mut self, field: &str, at: At, message: impl Into<String>) {
        self.notes
            .push(Note::new(Some(self.id), field, at, message));
    }

    pub(super) fn skip(&mut self, field: &str, at: At, why: &str) {
        self.note(field, at, format!("`{field}` is left out: {why}"));
    }

    pub(super) fn skip_value(&mut self, field: &str, value: &str, at: At, why: &str) {
        let value = shown(value);
        self.note(
            field,
            at,
            format!("`{field}` value `{value}` is left out: {why}"),
        );
    }

    pub(super) fn text(&mut self, field: &str, value: &SpecValue) -> Option<String> {
        match &value.data {
            SpecData::Text(text) => Some(text.clone()),
            SpecData::Scalar(scalar) => {
                let message = unquoted(field, scalar);
                self.note(field, value.at, message);
                Some(scalar.written.clone())
            }
            SpecData::Null => None,
            SpecData::List(_) | SpecData::Map(_) | SpecData::Spec(_) => {
                self.wrong_type(field, value, "a string");
                None
            }
        }
    }

    /// Returns a value that the manifest's field accepts: the text itself, or its unambiguous correction.
    pub(super) fn accepted(
        &mut self,
        field: &str,
        node: &str,
        text: &str,
        at: At,
    ) -> Option<String> {
        let is_in_history = node.starts_with("pip-") || node == "packages";
        if is_in_history && has_password(text) {
            self.note(field, at, format!("`{field}` has a password in a URL, which would end up in the image's history: left out; pass it as a `secret`, or in a file by `pip-secret-mounts`"));
            return None;
        }
        let refused = match manifest::takes(node, text) {
            Ok(()) => return Some(text.to_owned()),
            Err(refused) => refused,
        };
        let fix = refused.fix;
        let fix = fix.filter(|fix| manifest::takes(node, fix).is_ok());
        if let Some(fix) = &fix {
            let (text, fix) = (shown(text), shown(fix));
            let message = format!("`{field}` cannot be `{text}`: corrected to `{fix}`");
            self.note(field, at, message);
        } else {
            self.skip_value(field, text, at, &refused.why);
        }
        fix
    }

    pub(super) fn texts(&mut self, field: &SpecField) -> Vec<(String, At)> {
        let value = &field.value;
        let values = match &value.data {
            SpecData::List(values) => values.as_slice(),
            SpecData::Text(_) | SpecData::Scalar(_) => {
                let name = &field.name;
                let message = format!(
                    "`{name}` is not a list, which flytekit rejects: taken as a list of one"
                );
                self.note(name, value.at, message);
                std::slice::from_ref(value)
            }
            _ => {
                self.wrong_type(&field.name, value, "a list");
                &[]
            }
        };
        values
            .iter()
            .filter_map(|value| Some((self.text(&field.name, value)?, value.at)))
            .collect()
    }

    pub(super) fn accepted_texts(&mut self, field: &SpecField, node: &str) -> Vec<String> {
        let texts = self.texts(field).into_iter();
        texts
            .filter_map(|(text, at)| self.accepted(&field.name, node, &text, at))
            .collect()
    }

    pub(super) fn wrong_type(&mut self, field: &str, value: &SpecValue, wanted: &str) {
        let message = format!("`{field}` takes {wanted}, not {}: left out", value.kind());
        self.note(field, value.at, message);
    }

    pub(super) fn map(&mut self, field: &SpecField, node: &str) {
        let SpecData::Map(pairs) = &field.value.data else {
            return self.wrong_type(&field.name, &field.value, "a mapping");
        };
        let mut props: Vec<(String, String)> = Vec::new();
        for (key, value) in pairs {
            let Some(name) = key.written() else { continue };
            let entry = format!("{}.{}", field.name, shown(name));
            if let Err(refused) = manifest::takes(node, name) {
                self.skip(&entry, key.at, &refused.why);
            } else if let Some(text) = self.entry(field, &entry, value) {
                props.push((name.to_owned(), text));
            }
        }
        if !props.is_empty() {
            self.nodes.push(NewNode::map(node, props));
        }
    }

    fn entry(&mut self, field: &SpecField, entry: &str, value: &SpecValue) -> Option<String> {
        let text = match &value.data {
            SpecData::Null if field.name == "env" => {
                self.skip(
                    entry,
                    value.at,
                    "it has no value, which flytekit sets to `None`",
                );
                return None;
            }
            SpecData::Null => {
                self.skip(entry, value.at, "it has no value");
                return None;
            }
            // Docker gets what Python prints, and programs may check for exactly that.
            SpecData::Scalar(scalar) if scalar.kind == BOOLEAN => {
                let python = &scalar.python;
                let message = format!(
                    "`{entry}` is {BOOLEAN}: taken as `{python}`, which flytekit sets too, but the tag differs from flytekit's"
                );
                self.note(entry, value.at, message);
                python.clone()
            }
            _ => self.text(entry, value)?,
        };
        if text.contains('\0') {
            self.skip(entry, value.at, "it contains a NUL character");
            return None;
        }
        Some(text)
    }

    /// Converts the helper images, the only part of `builder_config` that flytekit's builder reads.
    pub(super) fn helpers(&mut self, field: &SpecField) {
        let SpecData::Map(pairs) = &field.value.data else {
            return self.wrong_type(&field.name, &field.value, "a mapping");
        };
        let mut props = Vec::new();
        for (key, value) in pairs {
            let name = key.written().unwrap_or_default();
            let entry = format!("builder_config.{}", shown(name));
            if matches!(name, "uv_image" | "micromamba_image") {
                let text = self.text(&entry, value);
                props.extend(text.map(|text| (name.replace('_', "-"), text)));
            } else {
                self.skip(&entry, key.at, "flytekit's builder ignores it too");
            }
        }
        if !props.is_empty() {
            self.nodes.push(NewNode::map("builder-config", props));
        }
    }
}

/// The note about an unquoted scalar that is taken as a string.
fn unquoted(field: &str, scalar: &Scalar) -> String {
    let Scalar {
        kind,
        written,
        python,
    } = scalar;
    let (written, python) = (shown(written), shown(python));
    let read = if field == "python_version" && written == "3.1" {
        " (which `3.10` without quotes is too)".to_owned()
    } else if python == written {
        String::new()
    } else {
        format!(", read as `{python}`")
    };
    format!(
        "`{field}` is {kind}{read}: taken as the string `{written}`, {OTHER_TAG}; quote it in the source"
    )
}
