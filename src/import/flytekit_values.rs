//! The values of an ImageSpec's fields → texts that a manifest takes.
//!
//! The choice made: what is written wins over what Python reads of it, and is told; what the manifest's own rules refuse is
//! mended as they say, or left out, and told.

use super::At;
use super::flytekit::Converter;
use super::kdl::Node;
use super::shown;
use super::value::{Data, Field, Value};
use crate::check::has_password;
use crate::manifest;

/// What a field of several texts was given.
pub(super) enum Given {
    /// Texts, with their places.
    Texts(Vec<(String, At)>),
    /// Nothing that could be taken; it was told.
    Nothing,
}

impl Converter<'_> {
    /// A value as a text; none when it is no single value.
    pub(super) fn text(&mut self, field: &str, value: &Value) -> Option<String> {
        match &value.data {
            Data::Text(text) => Some(text.clone()),
            Data::Other(other) => {
                let read = if field == "python_version" && other.written == "3.1" {
                    " (`3.10` without quotes is that too)".to_owned()
                } else if other.python == other.written {
                    String::new()
                } else {
                    format!(", and read as `{}`", shown(&other.python))
                };
                let message = format!(
                    "`{field}` is {}{read}: the text `{}` is taken, which gives another tag than flytekit's; write it in quotes there",
                    other.kind,
                    shown(&other.written)
                );
                self.note(field, value.at, message);
                Some(other.written.clone())
            }
            Data::Null => None,
            Data::List(_) | Data::Map(_) | Data::Spec(_) => {
                let message = format!(
                    "`{field}` is {} where a text is wanted: left out",
                    value.kind()
                );
                self.note(field, value.at, message);
                None
            }
        }
    }

    /// A value that the manifest's field takes, mended where the field knows how.
    pub(super) fn taken(&mut self, field: &str, node: &str, text: &str, at: At) -> Option<String> {
        let is_seen = node.starts_with("pip-") || node == "packages";
        if is_seen && has_password(text) {
            let message = format!(
                "`{field}` has a password in a URL, which would reach the image's history: left out; give it as a `secret`, or in a file by `pip-secret-mounts`"
            );
            self.note(field, at, message);
            return None;
        }
        let refused = match manifest::takes(node, text) {
            Ok(()) => return Some(text.to_owned()),
            Err(refused) => refused,
        };
        let said = format!("`{field}` cannot be `{}`", shown(text));
        let mend = refused
            .fix
            .filter(|mend| manifest::takes(node, mend).is_ok());
        let message = match &mend {
            Some(mend) => format!("{said}: `{}` is taken", shown(mend)),
            None => format!("{said}: {}: left out", refused.why),
        };
        self.note(field, at, message);
        mend
    }

    /// The one text of a field.
    pub(super) fn one(&mut self, field: &Field, node: &str) -> Option<String> {
        let text = self.text(&field.name, &field.value)?;
        if text.is_empty() {
            self.note(
                &field.name,
                field.at,
                format!("`{}` is empty: left out", field.name),
            );
            return None;
        }
        self.taken(&field.name, node, &text, field.value.at)
    }

    /// The texts of a field that takes several, as they are.
    pub(super) fn given(&mut self, field: &Field) -> Given {
        match &field.value.data {
            Data::List(values) => {
                let texts = values.iter().filter_map(|value| {
                    let text = self.text(&field.name, value)?;
                    Some((text, value.at))
                });
                Given::Texts(texts.collect())
            }
            Data::Text(_) | Data::Other(_) => {
                let message = format!(
                    "`{}` is no list, which flytekit refuses: taken as its only entry",
                    field.name
                );
                self.note(&field.name, field.value.at, message);
                let text = self.text(&field.name, &field.value);
                Given::Texts(
                    text.into_iter()
                        .map(|text| (text, field.value.at))
                        .collect(),
                )
            }
            _ => {
                self.wrong_kind(field, "a list");
                Given::Nothing
            }
        }
    }

    /// The texts of a field that takes several, as far as the manifest takes them.
    pub(super) fn texts(&mut self, field: &Field, node: &str) -> Vec<String> {
        let Given::Texts(texts) = self.given(field) else {
            return Vec::new();
        };
        let texts = texts.into_iter();
        texts
            .filter_map(|(text, at)| self.taken(&field.name, node, &text, at))
            .collect()
    }

    pub(super) fn wrong_kind(&mut self, field: &Field, wanted: &str) {
        let message = format!(
            "`{}` is {}, not {wanted}: left out",
            field.name,
            field.value.kind()
        );
        self.note(&field.name, field.value.at, message);
    }

    /// Names with texts.
    pub(super) fn map(&mut self, field: &Field) {
        let node = field.name.replace('_', "-");
        let Data::Map(pairs) = &field.value.data else {
            return self.wrong_kind(field, "a mapping");
        };
        let mut props: Vec<(String, String)> = Vec::new();
        for (key, value) in pairs {
            let Some(name) = key.written() else { continue };
            let at = format!("{}.{}", field.name, shown(name));
            if let Err(refused) = manifest::takes(&node, name) {
                self.note(
                    &at,
                    key.at,
                    format!("`{at}` cannot be carried over: {}", refused.why),
                );
                continue;
            }
            if let Some(text) = self.entry(field, &at, value) {
                props.push((name.to_owned(), text));
            }
        }
        if !props.is_empty() {
            self.nodes.push(Node::map(&node, props));
        }
    }

    /// The value of one name.
    fn entry(&mut self, field: &Field, name: &str, value: &Value) -> Option<String> {
        let text = match &value.data {
            Data::Null => {
                let means = if field.name == "env" {
                    ", which flytekit sets to `None`"
                } else {
                    ""
                };
                self.note(
                    name,
                    value.at,
                    format!("`{name}` has no value{means}: left out"),
                );
                return None;
            }
            // Docker sets what Python prints, and containers may look for just that.
            Data::Other(other) if other.kind == "a truth value" => {
                let message = format!(
                    "`{name}` is {}: the text `{}` is taken, as flytekit sets it; its tag is another one",
                    other.kind, other.python
                );
                self.note(name, value.at, message);
                other.python.clone()
            }
            _ => self.text(name, value)?,
        };
        if text.contains('\0') {
            self.note(
                name,
                value.at,
                format!("`{name}` has a NUL character in it: left out"),
            );
            return None;
        }
        Some(text)
    }

    /// The helper images; flytekit ignores the rest of `builder_config`.
    pub(super) fn helpers(&mut self, field: &Field) {
        let Data::Map(pairs) = &field.value.data else {
            return self.wrong_kind(field, "a mapping");
        };
        let mut props = Vec::new();
        for (key, value) in pairs {
            let name = key.written().unwrap_or_default();
            let at = format!("builder_config.{}", shown(name));
            if matches!(name, "uv_image" | "micromamba_image") {
                let text = self.text(&at, value);
                props.extend(text.map(|text| (name.replace('_', "-"), text)));
            } else {
                self.note(
                    &at,
                    key.at,
                    format!("`{at}` is ignored by flytekit's builder too: left out"),
                );
            }
        }
        if !props.is_empty() {
            self.nodes.push(Node::map("builder-config", props));
        }
    }
}
