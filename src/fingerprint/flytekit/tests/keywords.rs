//! The arguments of `ImageSpec(…)` by name, as read from YAML.
//!
//! Pure. A value of the wrong type is rejected where flytekit rejects it, and also where flytekit accepts it but could
//! never build the image (a number as registry, a mapping as base).

use super::super::{Base, CopyMode, Fields, Value};

/// Why arguments are not a valid `ImageSpec`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadKeyword {
    Unknown(String),
    NotDict(String),
    NotList(String),
    NotPairs,
    NotText(String),
}

impl Default for Fields {
    /// Nothing is set; the name is `flytekit`.
    fn default() -> Self {
        Self {
            name: "flytekit".to_owned(),
            python_version: Value::None,
            builder: None,
            source_root: None,
            env: Value::None,
            registry: None,
            packages: None,
            conda_packages: None,
            conda_channels: None,
            requirements: None,
            apt_packages: None,
            cuda: Value::None,
            cudnn: Value::None,
            base_image: None,
            platform: None,
            pip_index: Value::None,
            pip_extra_index_url: None,
            pip_secret_mounts: None,
            pip_extra_args: Value::None,
            registry_config: Value::None,
            entrypoint: None,
            commands: None,
            tag_format: None,
            source_copy_mode: None,
            copy: Value::None,
            python_exec: Value::None,
            runtime_packages: None,
            builder_options: Value::None,
            builder_config: Value::None,
        }
    }
}

impl Fields {
    /// Reads arguments; the last of duplicates counts. A base that is an `ImageSpec` itself cannot be expressed here:
    /// set `base_image` afterward.
    pub(super) fn from_keywords(
        keywords: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Self, BadKeyword> {
        let mut fields = Self::default();
        for (name, value) in keywords {
            fields.set(&name, value)?;
        }
        Ok(fields)
    }

    /// As long as `ImageSpec` has fields, with one line for each.
    fn set(&mut self, name: &str, value: Value) -> Result<(), BadKeyword> {
        match name {
            "name" => {
                self.name = text(name, value)?.ok_or_else(|| not_text(name))?;
            }
            "python_version" => self.python_version = value,
            "builder" => self.builder = text(name, value)?,
            "source_root" => self.source_root = text(name, value)?,
            "env" => self.env = value,
            "registry" => self.registry = text(name, value)?,
            "packages" => self.packages = texts(name, &value)?,
            "conda_packages" => self.conda_packages = texts(name, &value)?,
            "conda_channels" => self.conda_channels = texts(name, &value)?,
            "requirements" => self.requirements = text(name, value)?,
            "apt_packages" => self.apt_packages = texts(name, &value)?,
            "cuda" => self.cuda = value,
            "cudnn" => self.cudnn = value,
            "base_image" => self.base_image = text(name, value)?.map(Base::Reference),
            "platform" => self.platform = text(name, value)?,
            "pip_index" => self.pip_index = value,
            "pip_extra_index_url" => self.pip_extra_index_url = texts(name, &value)?,
            "pip_secret_mounts" => self.pip_secret_mounts = pairs(&value)?,
            "pip_extra_args" => self.pip_extra_args = value,
            "registry_config" => self.registry_config = value,
            "entrypoint" => self.entrypoint = texts(name, &value)?,
            "commands" => self.commands = texts(name, &value)?,
            "tag_format" => self.tag_format = text(name, value)?,
            "source_copy_mode" => self.source_copy_mode = mode(value),
            "copy" => self.copy = value,
            "python_exec" => self.python_exec = value,
            "runtime_packages" => self.runtime_packages = texts(name, &value)?,
            "builder_options" => self.builder_options = dict(name, value)?,
            "builder_config" => self.builder_config = value,
            _ => {
                return Err(BadKeyword::Unknown(name.to_owned()));
            }
        }
        Ok(())
    }
}

fn not_text(field: &str) -> BadKeyword {
    BadKeyword::NotText(field.to_owned())
}

fn text(field: &str, value: Value) -> Result<Option<String>, BadKeyword> {
    match value {
        Value::None => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        _ => Err(not_text(field)),
    }
}

fn texts(field: &str, value: &Value) -> Result<Option<Vec<String>>, BadKeyword> {
    if value.is_none() {
        return Ok(None);
    }
    value
        .as_texts()
        .map(Some)
        .ok_or_else(|| BadKeyword::NotList(field.to_owned()))
}

fn pairs(value: &Value) -> Result<Option<Vec<(String, String)>>, BadKeyword> {
    let pair = |item: &Value| match item {
        Value::Tuple(pair) => match pair.as_slice() {
            [Value::Text(from), Value::Text(to)] => Some((from.clone(), to.clone())),
            _ => None,
        },
        _ => None,
    };
    match value {
        Value::None => Ok(None),
        Value::List(items) => items
            .iter()
            .map(pair)
            .collect::<Option<_>>()
            .map(Some)
            .ok_or(BadKeyword::NotPairs),
        _ => Err(BadKeyword::NotPairs),
    }
}

fn dict(field: &str, value: Value) -> Result<Value, BadKeyword> {
    match value {
        Value::None | Value::Dict(_) => Ok(value),
        _ => Err(BadKeyword::NotDict(field.to_owned())),
    }
}

/// A mode is a flytekit object, recognized by its `repr`.
fn mode(value: Value) -> Option<CopyMode> {
    if value.is_none() {
        return None;
    }
    let known = [CopyMode::LoadedModules, CopyMode::All, CopyMode::NoCopy];
    let said = known.into_iter().find(|mode| Value::from(mode) == value);
    Some(said.unwrap_or(CopyMode::Other(value)))
}

fn read(name: &str, value: Value) -> Result<Fields, BadKeyword> {
    Fields::from_keywords([(name.to_owned(), value)])
}

#[test]
fn what_is_none_is_not_set() {
    for name in [
        "registry",
        "packages",
        "pip_secret_mounts",
        "env",
        "builder_options",
    ] {
        assert_eq!(read(name, Value::None), Ok(Fields::default()), "{name}");
    }
    let unnamed = read("name", Value::None).unwrap_err();
    assert_eq!(unnamed, not_text("name"));
}

#[test]
fn a_base_that_is_a_mapping_is_refused() {
    let error = read("base_image", Value::Dict(Vec::new())).unwrap_err();
    assert_eq!(error, not_text("base_image"));
}

#[test]
fn a_mode_is_known_by_its_repr_and_a_text_is_none() {
    let all = read("source_copy_mode", Value::from(&CopyMode::All)).unwrap();
    assert_eq!(all.source_copy_mode, Some(CopyMode::All));
    let text = read("source_copy_mode", "ALL".into()).unwrap();
    assert_eq!(text.source_copy_mode, Some(CopyMode::Other("ALL".into())));
}
