//! flytekit's `ImageSpec`, with its id, tag and image name.
//!
//! The user's arguments ([`Fields`]) and the constructed object ([`Spec`]) are separate types, so that nothing is
//! hashed before it is validated and completed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest as _, Md5};

use super::error::Error;
use super::format;
use super::repr::repr;
use super::value::Value;
use super::words::is_registry;

/// The base of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    /// An image in a registry.
    Reference(String),
    /// Another `ImageSpec`.
    Spec(Box<Spec>),
}

/// Which source files are copied: flytekit's `CopyFileDetection`.
#[derive(Debug, Clone, PartialEq)]
pub enum CopyMode {
    /// The modules loaded by the Python process.
    LoadedModules,
    /// All files that are not ignored.
    All,
    /// No files.
    NoCopy,
    /// Not a mode at all, as YAML may contain (where even the string `NO_COPY` is not one): flytekit copies everything.
    Other(Value),
}

/// Provides the digests of files that enter a tag. Paths are verbatim from the spec.
pub trait Digests {
    /// The sha1, in hexadecimal, of a requirements or lock file stripped of leading and trailing whitespace.
    fn requirements(&self, path: &str) -> Result<String, Error>;

    /// The md5, in hexadecimal, of the source files that flytekit would copy into the image; not called for
    /// [`CopyMode::NoCopy`].
    fn source(&self, source_root: &str, mode: &CopyMode) -> Result<String, Error>;

    /// The md5, in hexadecimal, of the files that `copy` names; missing ones are skipped.
    fn copy(&self, copy: &Value) -> Result<String, Error>;
}

/// The arguments of `ImageSpec(…)` as given by the user, in flytekit's order. Paths enter the id verbatim.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "named and documented by flytekit")]
pub struct Fields {
    pub name: String,
    pub python_version: Value,
    pub builder: Option<String>,
    pub source_root: Option<String>,
    pub env: Value,
    pub registry: Option<String>,
    pub packages: Option<Vec<String>>,
    pub conda_packages: Option<Vec<String>>,
    pub conda_channels: Option<Vec<String>>,
    pub requirements: Option<String>,
    pub apt_packages: Option<Vec<String>>,
    pub cuda: Value,
    pub cudnn: Value,
    pub base_image: Option<Base>,
    pub platform: Option<String>,
    pub pip_index: Value,
    pub pip_extra_index_url: Option<Vec<String>>,
    pub pip_secret_mounts: Option<Vec<(String, String)>>,
    pub pip_extra_args: Value,
    pub registry_config: Value,
    pub entrypoint: Option<Vec<String>>,
    pub commands: Option<Vec<String>>,
    pub tag_format: Option<String>,
    pub source_copy_mode: Option<CopyMode>,
    pub copy: Value,
    pub python_exec: Value,
    pub runtime_packages: Option<Vec<String>>,
    pub builder_options: Value,
    pub builder_config: Value,
}

impl Fields {
    /// The hashed fields: those that are set, except for builder, secrets and runtime packages.
    fn hashed(&self) -> Value {
        let fields = [
            ("name", self.name.as_str().into()),
            ("python_version", self.python_version.clone()),
            ("source_root", self.source_root.clone().into()),
            ("env", self.env.clone()),
            ("registry", self.registry.clone().into()),
            ("packages", self.packages.clone().into()),
            ("conda_packages", self.conda_packages.clone().into()),
            ("conda_channels", self.conda_channels.clone().into()),
            ("requirements", self.requirements.clone().into()),
            ("apt_packages", self.apt_packages.clone().into()),
            ("cuda", self.cuda.clone()),
            ("cudnn", self.cudnn.clone()),
            ("base_image", self.base_image.as_ref().into()),
            ("platform", self.platform.clone().into()),
            ("pip_index", self.pip_index.clone()),
            (
                "pip_extra_index_url",
                self.pip_extra_index_url.clone().into(),
            ),
            ("pip_extra_args", self.pip_extra_args.clone()),
            ("registry_config", self.registry_config.clone()),
            ("entrypoint", self.entrypoint.clone().into()),
            ("commands", self.commands.clone().into()),
            ("tag_format", self.tag_format.clone().into()),
            ("source_copy_mode", self.source_copy_mode.as_ref().into()),
            ("copy", self.copy.clone()),
            ("python_exec", self.python_exec.clone()),
            ("builder_options", self.builder_options.clone()),
            ("builder_config", self.builder_config.clone()),
        ];
        let set = fields.into_iter().filter(|(_, value)| !value.is_none());
        Value::Dict(set.map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl From<&Base> for Value {
    fn from(base: &Base) -> Self {
        match base {
            Base::Reference(reference) => reference.as_str().into(),
            Base::Spec(spec) => spec.0.hashed(),
        }
    }
}

impl From<&CopyMode> for Value {
    fn from(mode: &CopyMode) -> Self {
        let name = match mode {
            CopyMode::LoadedModules => "LOADED_MODULES: 1",
            CopyMode::All => "ALL: 2",
            CopyMode::NoCopy => "NO_COPY: 3",
            CopyMode::Other(value) => return value.clone(),
        };
        Self::Object(format!("<CopyFileDetection.{name}>"))
    }
}

/// A constructed `ImageSpec`: validated, lowercased where flytekit does that, with a platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec(pub(super) Fields);

impl Spec {
    /// Constructs a spec as flytekit does. For a registry on `localhost` the platform is that of `machine`, a value of
    /// Python's `platform.machine()` (`x86_64`, `arm64`, `aarch64`).
    pub fn new(fields: Fields, machine: &str) -> Result<Self, Error> {
        let mut fields = fields;
        fields.name = fields.name.to_lowercase();
        fields.registry = fields.registry.map(|registry| registry.to_lowercase());
        let registry = fields.registry.as_deref().unwrap_or_default();
        if !registry.is_empty() && !is_registry(registry) {
            return Err(Error::BadRegistry {
                registry: registry.to_owned(),
            });
        }
        if fields.platform.is_none() {
            fields.platform = Some(default_platform(registry, machine).to_owned());
        }
        if fields.source_root.is_some() {
            let said = fields.source_copy_mode.filter(CopyMode::is_true);
            fields.source_copy_mode = Some(said.unwrap_or(CopyMode::LoadedModules));
        }
        if !matches!(fields.builder_options, Value::None | Value::Dict(_)) {
            return Err(Error::NotDict {
                field: "builder_options".to_owned(),
            });
        }
        Ok(Self(fields))
    }

    /// The text that is hashed into the id.
    pub fn id_text(&self) -> String {
        repr(&self.0.hashed())
    }

    /// The id that flytekit stores in the image as `_F_IMG_ID`. It depends on how paths are written, but not on files.
    pub fn id(&self) -> String {
        hash(&self.id_text())
    }

    /// The text that is hashed into the tag.
    pub fn tag_text(&self, digests: &dyn Digests) -> Result<String, Error> {
        let mut fields = self.0.clone();
        if let Some(Base::Spec(base)) = &self.0.base_image {
            fields.base_image = Some(Base::Reference(base.image_name(digests)?));
        }
        if let Some(mode) = self
            .0
            .source_copy_mode
            .as_ref()
            .filter(|mode| mode.copies())
        {
            let root =
                is_set(self.0.source_root.as_ref()).ok_or_else(|| Error::CopyWithoutRoot {
                    name: self.0.name.clone(),
                })?;
            fields.source_root = Some(digests.source(root, mode)?);
        }
        if self.0.copy.is_true() {
            fields.copy = digests.copy(&self.0.copy)?.into();
        }
        if let Some(path) = is_set(self.0.requirements.as_ref()) {
            fields.requirements = Some(digests.requirements(path)?);
        }
        fields.registry_config = Value::None;
        Ok(repr(&fields.hashed()))
    }

    /// The tag, formatted with `tag_format` if set.
    pub fn tag(&self, digests: &dyn Digests) -> Result<String, Error> {
        let tag = hash(&self.tag_text(digests)?).replace('-', "_");
        match is_set(self.0.tag_format.as_ref()) {
            Some(wanted) => format::format(wanted, &tag),
            None => Ok(tag),
        }
    }

    /// The full name of the image: registry, name and tag.
    pub fn image_name(&self, digests: &dyn Digests) -> Result<String, Error> {
        let name = format!("{}:{}", self.0.name, self.tag(digests)?);
        Ok(match is_set(self.0.registry.as_ref()) {
            Some(registry) => format!("{registry}/{name}"),
            None => name,
        })
    }
}

impl CopyMode {
    fn is_true(&self) -> bool {
        match self {
            Self::Other(value) => value.is_true(),
            Self::LoadedModules | Self::All | Self::NoCopy => true,
        }
    }

    fn copies(&self) -> bool {
        *self != Self::NoCopy
    }
}

/// Python's `if text:`.
fn is_set(text: Option<&String>) -> Option<&String> {
    text.filter(|text| !text.is_empty())
}

fn default_platform(registry: &str, machine: &str) -> &'static str {
    let is_arm = ["arm64", "aarch64"].contains(&machine.to_lowercase().as_str());
    if is_arm && registry.starts_with("localhost:") {
        "linux/arm64"
    } else {
        "linux/amd64"
    }
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Md5::digest(text.as_bytes()))
}
