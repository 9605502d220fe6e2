//! The fields of flytekit's `ImageSpec` → the nodes of an image.
//!
//! Knows what each field means there and here, and neither YAML nor Python. The choice made: where flytekit does something
//! that is not written down – the modules that happen to be loaded, the Python that happens to run – the manifest says what
//! comes closest, and a note says the difference.

mod files;
pub(super) mod value;
mod values;

use crate::import::flytekit::value::{Data, Field};
use crate::import::kdl::Node;
use crate::import::names::Ids;
use crate::import::places::Places;
use crate::import::yaml;
use crate::import::{At, Image, Note, shown};
use crate::suggest::closest;

/// The fields of an ImageSpec, in the order of its declaration.
pub(in crate::import) const FIELDS: &[&str] = &[
    "name",
    "python_version",
    "builder",
    "source_root",
    "env",
    "registry",
    "packages",
    "conda_packages",
    "conda_channels",
    "requirements",
    "apt_packages",
    "cuda",
    "cudnn",
    "base_image",
    "platform",
    "pip_index",
    "pip_extra_index_url",
    "pip_secret_mounts",
    "pip_extra_args",
    "registry_config",
    "entrypoint",
    "commands",
    "tag_format",
    "source_copy_mode",
    "copy",
    "python_exec",
    "runtime_packages",
    "builder_options",
    "builder_config",
];

/// What others call the fields.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("apt", "apt_packages"),
    ("base", "base_image"),
    ("conda", "conda_packages"),
    ("from", "base_image"),
    ("image", "base_image"),
    ("pip", "packages"),
    ("pip_packages", "packages"),
    ("python", "python_version"),
    ("run", "commands"),
];

/// The name of images that are given none.
const DEFAULT_NAME: &str = "flytekit";

/// Makes images of ImageSpecs, and notes of what is lost.
pub(in crate::import) struct Converter<'a> {
    pub places: &'a Places,
    pub ids: Ids,
    /// The ids of numbered ImageSpecs.
    pub specs: Vec<String>,
    pub images: Vec<Image>,
    pub notes: Vec<Note>,
    /// The image that is being made.
    pub image: String,
    pub nodes: Vec<Node>,
}

/// The field that an unknown name means.
pub(in crate::import) fn meant(name: &str) -> Option<&'static str> {
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name);
    other
        .map(|(_, meant)| *meant)
        .or_else(|| closest(name, FIELDS.iter().copied()))
}

impl<'a> Converter<'a> {
    pub(in crate::import) fn new(places: &'a Places, specs: Vec<String>) -> Self {
        Self {
            places,
            ids: Ids::default(),
            specs,
            images: Vec::new(),
            notes: Vec::new(),
            image: String::new(),
            nodes: Vec::new(),
        }
    }

    /// Makes the image of one ImageSpec, and before it those that are nested in it.
    pub(in crate::import) fn image(
        &mut self,
        id: &str,
        fields: Vec<Field>,
        comment: Option<String>,
    ) {
        let mut said: Vec<Field> = fields
            .into_iter()
            .filter(|it| it.value.data != Data::Null)
            .collect();
        let nested = self.nested(id, &mut said);
        let outer = std::mem::replace(&mut self.image, id.to_owned());
        self.nodes.clear();
        self.nodes
            .extend(nested.map(|base| Node::words("base-image", Vec::new()).with("image", base)));
        let find = |name: &str| said.iter().find(|field| field.name == name);
        if find("name").is_none() {
            self.nodes.push(Node::new("name", DEFAULT_NAME));
        }
        for field in &said {
            self.field(field);
        }
        self.sources(find("source_root"), find("source_copy_mode"));
        if find("python_version").is_none() && find("python_exec").is_none() {
            let message = "`python_version` is not set: flytekit takes the version of the Python that runs it; add `python-version` if the base has none";
            self.note("python_version", At::default(), message);
        }
        self.images.push(Image {
            id: id.to_owned(),
            comment,
            fields: std::mem::take(&mut self.nodes),
        });
        self.image = outer;
    }

    /// A base that is an ImageSpec itself: an image of its own.
    fn nested(&mut self, id: &str, fields: &mut Vec<Field>) -> Option<String> {
        let is_nested = |it: &Field| {
            it.name == "base_image" && matches!(it.value.data, Data::Map(_) | Data::Spec(_))
        };
        let at = fields.iter().position(is_nested)?;
        let base = fields.remove(at);
        match base.value.data {
            Data::Spec(number) => self.specs.get(number).cloned(),
            Data::Map(pairs) => {
                let base_id = self.ids.fresh(&format!("{id}-base"));
                self.image(&base_id, yaml::fields(pairs), None);
                let message = "`base_image` is a mapping, which flytekit hands to `FROM` as it is: made an image of its own";
                self.notes.push(Note {
                    image: Some(id.to_owned()),
                    field: Some("base_image".to_owned()),
                    message: message.to_owned(),
                    at: base.at,
                });
                Some(base_id)
            }
            _ => None,
        }
    }

    pub(in crate::import) fn note(&mut self, field: &str, at: At, message: impl Into<String>) {
        self.notes.push(Note {
            image: Some(self.image.clone()),
            field: Some(field.to_owned()),
            message: message.into(),
            at,
        });
    }

    fn field(&mut self, field: &Field) {
        let node = field.name.replace('_', "-");
        match field.name.as_str() {
            "name" | "registry" => self.lower(field),
            "builder" => self.builder(field),
            "platform" => self.platform(field),
            "env" | "builder_options" => self.map(field),
            "builder_config" => self.helpers(field),
            "entrypoint" => {
                let words = self.texts(field, &node);
                self.nodes.push(Node::words(&node, words));
            }
            "packages"
            | "conda_packages"
            | "conda_channels"
            | "apt_packages"
            | "pip_extra_index_url"
            | "commands"
            | "runtime_packages" => self.list(field),
            "requirements" | "registry_config" => self.path(field),
            "pip_secret_mounts" => self.mounts(field),
            "copy" => self.copies(field),
            // Both together, at the end.
            "source_root" | "source_copy_mode" => {}
            name if FIELDS.contains(&name) => {
                if let Some(text) = self.one(field, &node) {
                    self.nodes.push(Node::new(&node, text));
                }
            }
            name => {
                let message = format!(
                    "`{}` is a field that imgspec does not know: left out",
                    shown(name)
                );
                self.note(name, field.at, message);
            }
        }
    }

    /// A text that flytekit writes in small letters.
    fn lower(&mut self, field: &Field) {
        let Some(text) = self.text(&field.name, &field.value) else {
            return;
        };
        if text.is_empty() {
            let message = format!(
                "`{}` is empty: left out, which gives another tag than flytekit's",
                field.name
            );
            return self.note(&field.name, field.at, message);
        }
        if let Some(text) = self.taken(
            &field.name,
            &field.name,
            &text.to_lowercase(),
            field.value.at,
        ) {
            self.nodes.push(Node::new(&field.name, text));
        }
    }

    fn builder(&mut self, field: &Field) {
        let Some(text) = self.text(&field.name, &field.value) else {
            return;
        };
        let message = match text.as_str() {
            "default" => return,
            "envd" => return self.nodes.push(Node::new("builder", "envd")),
            "noop" => "`builder` is `noop`, which takes `base_image` as it is: here the image is built on it".to_owned(),
            other => format!("`builder` is `{}`, which imgspec does not have: left out", shown(other)),
        };
        self.note("builder", field.at, message);
    }

    /// Several platforms stand in one text, with commas.
    fn platform(&mut self, field: &Field) {
        let Some(text) = self.text(&field.name, &field.value) else {
            return;
        };
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let words: Vec<String> = words
            .filter_map(|word| self.taken("platform", "platform", word, field.value.at))
            .collect();
        if !words.is_empty() {
            self.nodes.push(Node::words("platform", words));
        }
    }

    fn list(&mut self, field: &Field) {
        let node = field.name.replace('_', "-");
        let is_empty = matches!(&field.value.data, Data::List(values) if values.is_empty());
        let texts = self.texts(field, &node);
        if !texts.is_empty() {
            self.nodes.push(Node::list(&node, texts));
        } else if is_empty {
            let message = format!(
                "`{}` is an empty list: left out, which gives another tag than flytekit's",
                field.name
            );
            self.note(&field.name, field.at, message);
        }
    }
}
