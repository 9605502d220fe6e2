//! Converts the fields of flytekit's `ImageSpec` to image nodes, independently of YAML and Python.
//!
//! Where flytekit depends on something that no file records (which modules are loaded, which Python runs it), the manifest
//! gets the closest equivalent and a note explains the difference.

mod fields;
mod files;
mod value;
mod values;

pub(super) use fields::{field_names, meant};
pub(super) use value::{BOOLEAN, Scalar, SpecData, SpecField, SpecValue, fields};

use serde::Deserialize;

use super::imported::{At, NewImage, NewNode, Note};
use super::names::Ids;
use super::paths::Paths;
use values::SpecImage;

/// The version of flytekit to assume if none is given or installed.
pub(super) const DEFAULT_VERSION: &str = "1.16.31";

/// The name that flytekit gives to images without one.
const DEFAULT_NAME: &str = "flytekit";

/// What only a running flytekit knows of a spec.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Runtime {
    /// Its id.
    pub id: Option<String>,
    /// The version of Python that it installs if the spec names none: its own.
    pub python: Option<String>,
    /// The loaded modules that it copies, by their paths from the source root; empty if the mode is another.
    #[serde(default)]
    pub files: Vec<String>,
}

pub(super) struct Converter<'a> {
    pub paths: &'a Paths,
    pub ids: Ids,
    /// The ids of the specs that [`SpecData::Spec`] refers to, by index.
    pub specs: Vec<String>,
    pub images: Vec<NewImage>,
    pub notes: Vec<Note>,
}

impl<'a> Converter<'a> {
    pub(super) fn new(paths: &'a Paths) -> Self {
        Self {
            paths,
            ids: Ids::default(),
            specs: Vec::new(),
            images: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds the image of one ImageSpec, after those nested in it.
    pub(super) fn image(
        &mut self,
        id: &str,
        mut fields: Vec<SpecField>,
        runtime: &Runtime,
        comment: Option<String>,
    ) {
        fields.retain(|field| field.value.data != SpecData::Null);
        let nested = self.nested(id, &mut fields);
        let find = |name: &str| fields.iter().find(|field| field.name == name);
        let mut image = SpecImage {
            id,
            paths: self.paths,
            nodes: Vec::new(),
            notes: &mut self.notes,
        };
        if let Some(base) = nested {
            let node = NewNode::words("base-image", Vec::new());
            image.nodes.push(node.with("image", base));
        }
        if find("name").is_none() {
            image.nodes.push(NewNode::new("name", DEFAULT_NAME));
        }
        for field in &fields {
            image.field(field);
        }
        if let Some(id) = &runtime.id {
            image.nodes.push(NewNode::new("flytekit-id", id));
        }
        if runtime.files.is_empty() {
            image.sources(find("source_root"), find("source_copy_mode"));
        } else {
            image.modules(find("source_root"), &runtime.files);
        }
        let has_python = find("python_version").is_some() || find("python_exec").is_some();
        if let Some(python) = runtime.python.as_ref().filter(|_| !has_python) {
            image.nodes.push(NewNode::new("flytekit-python", python));
        } else if !has_python {
            image.note("python_version", At::default(), "`python_version` is not set: flytekit takes the version of the Python that runs it; add `python-version` if the base has no Python");
        }
        let fields = image.nodes;
        self.images.push(NewImage {
            id: id.to_owned(),
            comment,
            fields,
        });
    }

    /// Removes a base that is itself an ImageSpec from the fields, adds it as an image and returns its id.
    fn nested(&mut self, id: &str, fields: &mut Vec<SpecField>) -> Option<String> {
        let is_nested = |field: &SpecField| {
            field.name == "base_image"
                && matches!(field.value.data, SpecData::Map(_) | SpecData::Spec(_))
        };
        let base = fields.remove(fields.iter().position(is_nested)?);
        match base.value.data {
            SpecData::Spec(number) => self.specs.get(number).cloned(),
            SpecData::Map(pairs) => {
                let base_id = self.ids.fresh(&format!("{id}-base"));
                self.image(&base_id, value::fields(pairs), &Runtime::default(), None);
                let message = "`base_image` is a mapping, which flytekit would copy to `FROM`: it becomes an image of its own";
                let note = Note::new(Some(id), "base_image", base.at, message);
                self.notes.push(note);
                Some(base_id)
            }
            _ => None,
        }
    }
}
