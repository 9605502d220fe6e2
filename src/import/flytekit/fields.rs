//! The fields of an ImageSpec and their conversion to manifest nodes.

use super::value::{SpecData, SpecField};
use super::values::{OTHER_TAG, SpecImage};
use crate::diagnostic::shown;
use crate::import::imported::NewNode;
use crate::spec::fields;
use crate::suggest::closest;

/// Field names in declaration order.
const FIELDS: &str = "name python_version builder source_root env registry packages conda_packages conda_channels \
    requirements apt_packages cuda cudnn base_image platform pip_index pip_extra_index_url pip_secret_mounts pip_extra_args \
    registry_config entrypoint commands tag_format source_copy_mode copy python_exec runtime_packages builder_options \
    builder_config";

pub(in crate::import) fn field_names() -> impl Iterator<Item = &'static str> {
    FIELDS.split(' ')
}

/// The field that an unknown name was probably meant to be.
pub(in crate::import) fn meant(name: &str) -> Option<&'static str> {
    let other = fields::alias(&name.replace('_', "-"));
    let other = other.and_then(|other| field_names().find(|it| it.replace('_', "-") == other));
    other.or_else(|| closest(name, field_names()))
}

impl SpecImage<'_> {
    pub(super) fn field(&mut self, field: &SpecField) {
        let node = field.name.replace('_', "-");
        match field.name.as_str() {
            "name" | "registry" => self.lower_case(field),
            "builder" => self.builder(field),
            "platform" => self.platform(field),
            "env" | "builder_options" => self.map(field, &node),
            "builder_config" => self.helpers(field),
            "entrypoint" => {
                let words = self.accepted_texts(field, &node);
                self.nodes.push(NewNode::words(&node, words));
            }
            "packages"
            | "conda_packages"
            | "conda_channels"
            | "apt_packages"
            | "pip_extra_index_url"
            | "commands"
            | "runtime_packages" => self.list(field, &node),
            "requirements" | "registry_config" => self.path(field, &node),
            "pip_secret_mounts" => self.mounts(field),
            "copy" => self.copies(field),
            // Handled by `sources`.
            "source_root" | "source_copy_mode" => {}
            name if field_names().any(|known| known == name) => self.one(field, &node),
            name => {
                let message = format!("unknown field `{}` is left out", shown(name));
                self.note(name, field.at, message);
            }
        }
    }

    fn one(&mut self, field: &SpecField, node: &str) {
        let Some(text) = self.text(&field.name, &field.value) else {
            return;
        };
        if text.is_empty() {
            return self.skip(&field.name, field.at, "it is empty");
        }
        let text = self.accepted(&field.name, node, &text, field.value.at);
        self.nodes.extend(text.map(|text| NewNode::new(node, text)));
    }

    /// Converts a name, which flytekit lower-cases.
    fn lower_case(&mut self, field: &SpecField) {
        let name = &field.name;
        let Some(text) = self.text(name, &field.value) else {
            return;
        };
        if text.is_empty() {
            return self.skip_empty(field, "it is empty");
        }
        let text = self.accepted(name, name, &text.to_lowercase(), field.value.at);
        self.nodes.extend(text.map(|text| NewNode::new(name, text)));
    }

    fn builder(&mut self, field: &SpecField) {
        match self.text(&field.name, &field.value).as_deref() {
            None | Some("default" | "imgspec") => {}
            Some("envd") => self.nodes.push(NewNode::new("builder", "envd")),
            Some("noop") => {
                let why = "it is `noop`, which uses `base_image` unchanged; imgspec builds an image on it";
                self.skip("builder", field.at, why);
            }
            Some(other) => {
                let why = "imgspec has no such builder";
                self.skip_value("builder", other, field.at, why);
            }
        }
    }

    /// Splits platforms, which are one comma-separated string.
    fn platform(&mut self, field: &SpecField) {
        let Some(text) = self.text(&field.name, &field.value) else {
            return;
        };
        let words = text.split(',').map(str::trim);
        let words: Vec<String> = words
            .filter(|word| !word.is_empty())
            .filter_map(|word| self.accepted("platform", "platform", word, field.value.at))
            .collect();
        if !words.is_empty() {
            self.nodes.push(NewNode::words("platform", words));
        }
    }

    fn list(&mut self, field: &SpecField, node: &str) {
        let is_empty = matches!(&field.value.data, SpecData::List(values) if values.is_empty());
        if is_empty {
            return self.skip_empty(field, "it is an empty list");
        }
        let texts = self.accepted_texts(field, node);
        if !texts.is_empty() {
            self.nodes.push(NewNode::list(node, texts));
        }
    }

    fn skip_empty(&mut self, field: &SpecField, what: &str) {
        let why = format!("{what}, {OTHER_TAG}");
        self.skip(&field.name, field.at, &why);
    }
}
