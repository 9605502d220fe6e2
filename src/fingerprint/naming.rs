//! The tags of images: from their keys or, with `flytekit`, as flytekit itself computes them.
//!
//! flytekit's tag only names an image: it leaves out inputs that change the image (`docs/design/flytekit.md`), so
//! freshness is still decided by the key.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::flytekit::{Base, CopyMode, Digests, Error, Fields, Folder, Order, Spec, Value};
use super::{Files, FilesError};
use crate::graph::ImageId;
use crate::spec::{self, CopyFrom, DEFAULT_PLATFORM, ImageSpec, SourceCopyMode, WorkspacePath};
use crate::workspace::Image;

/// The architecture from which flytekit derives its default platform: fixed, so that tags do not depend on the machine.
const MACHINE: &str = "x86_64";

/// Computes the tag of an image that uses flytekit's naming.
#[derive(Debug, Clone)]
pub struct Namer {
    fields: Fields,
    folder: WorkspacePath,
    /// The loaded modules that are copied, by their paths from the source root.
    modules: Vec<String>,
    /// Index of its base, if that is an image of the workspace.
    pub(super) base: Option<usize>,
}

/// The namers of the images that flytekit tags; the others are tagged by key.
pub fn namers(images: &[Image]) -> BTreeMap<ImageId, Namer> {
    let places: HashMap<&str, usize> = by_id(images);
    let namer = |image: &Image| {
        image.spec.flytekit.as_ref()?;
        let base = match &image.spec.base_image {
            Some(spec::Base::Image(id)) => places.get(id.as_str()).copied(),
            _ => None,
        };
        Some(Namer {
            fields: fields(&image.spec),
            folder: image.folder.clone(),
            modules: image.spec.source_files.clone(),
            base,
        })
    };
    let ids = (0..).map(ImageId);
    ids.zip(images)
        .filter_map(|(id, image)| Some((id, namer(image)?)))
        .collect()
}

/// flytekit's ids of all images, which the images contain as `_F_IMG_ID`; `None` for images without `flytekit`.
pub fn flytekit_ids(images: &[Image]) -> Vec<Option<String>> {
    let places = by_id(images);
    let id = |image: &Image| {
        image.spec.flytekit.as_ref()?;
        if let Some(id) = &image.spec.flytekit_id {
            return Some(id.clone());
        }
        // The depth limit ends cycles of bases, which the graph reports.
        nested(image, images, &places, images.len()).map(|spec| spec.id())
    };
    images.iter().map(id).collect()
}

/// The places of the images; of none when flytekit names none.
fn by_id(images: &[Image]) -> HashMap<&str, usize> {
    if images.iter().all(|image| image.spec.flytekit.is_none()) {
        return HashMap::new();
    }
    let ids = images.iter().enumerate();
    ids.map(|(at, image)| (image.id.as_str(), at)).collect()
}

/// The spec of an image with its bases nested inside, as needed for flytekit's id.
fn nested(
    image: &Image,
    images: &[Image],
    places: &HashMap<&str, usize>,
    depth: usize,
) -> Option<Spec> {
    let mut fields = fields(&image.spec);
    if let Some(spec::Base::Image(id)) = &image.spec.base_image {
        let base = &images[*places.get(id.as_str())?];
        let base = nested(base, images, places, depth.checked_sub(1)?)?;
        fields.base_image = Some(Base::Spec(Box::new(base)));
    }
    Spec::new(fields, MACHINE).ok()
}

impl Namer {
    /// Computes the tag. `base` is the reference of its base if that is an image of the workspace; `sources` are the
    /// files of its source root as found for the key.
    pub fn tag(
        &self,
        root: &Path,
        base: Option<&str>,
        sources: Option<&Files>,
    ) -> Result<String, FilesError> {
        let mut fields = self.fields.clone();
        if let Some(base) = base {
            fields.base_image = Some(Base::Reference(base.to_owned()));
        }
        let tag = Spec::new(fields, MACHINE).and_then(|spec| {
            let at = self.folder.under(root);
            let folder = Folder::new(root, &at, Order::AsListed)?;
            let modules = &self.modules;
            spec.tag(&Read {
                folder,
                sources,
                modules,
            })
        });
        tag.map_err(|error| match error {
            Error::Files(error) => error,
            error => FilesError::Tag {
                folder: self.folder.to_string(),
                why: error.to_string(),
                help: error.help(),
            },
        })
    }
}

/// flytekit's digests of a directory. Reuses the list of source files found for the key.
struct Read<'a> {
    folder: Folder,
    sources: Option<&'a Files>,
    /// The loaded modules, as flytekit lists them.
    modules: &'a [String],
}

impl Digests for Read<'_> {
    fn requirements(&self, path: &str) -> Result<String, Error> {
        self.folder.requirements(path)
    }

    fn source(&self, source_root: &str, mode: &CopyMode) -> Result<String, Error> {
        if *mode == CopyMode::LoadedModules {
            return self.folder.source_digest(source_root, self.modules);
        }
        let Some(sources) = self.sources else {
            return self.folder.source(source_root, mode);
        };
        let entries = sources.entries.iter();
        let paths: Vec<String> = entries.map(|entry| entry.path.clone()).collect();
        self.folder.source_digest(source_root, &paths)
    }

    fn copy(&self, copy: &Value) -> Result<String, Error> {
        self.folder.copy(copy)
    }
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::None, |text| Value::Text(text.to_owned()))
}

fn list(list: &[String]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn map(pairs: &[(String, String)]) -> Value {
    if pairs.is_empty() {
        return Value::None;
    }
    let pair = |(name, value): &(String, String)| (name.clone(), Value::Text(value.clone()));
    Value::Dict(pairs.iter().map(pair).collect())
}

/// The values that flytekit would have in Python; empty lists are unset.
fn fields(spec: &ImageSpec) -> Fields {
    let config: Vec<(String, String)> = spec
        .builder_config
        .iter()
        .map(|(name, image)| (name.replace('-', "_"), image.clone()))
        .collect();
    Fields {
        name: spec.name.clone().unwrap_or_else(|| "flytekit".to_owned()),
        python_version: text(spec.python_version.as_deref()),
        builder: spec.builder.clone(),
        source_root: spec.source_root.as_ref().map(|root| root.given.clone()),
        env: map(&spec.env),
        registry: spec.registry.clone(),
        packages: list(&spec.packages),
        conda_packages: list(&spec.conda_packages),
        conda_channels: list(&spec.conda_channels),
        requirements: spec.requirements.as_ref().map(|file| file.given.clone()),
        apt_packages: list(&spec.apt_packages),
        cuda: text(spec.cuda.as_deref()),
        cudnn: text(spec.cudnn.as_deref()),
        base_image: match &spec.base_image {
            Some(spec::Base::Registry(reference)) => Some(Base::Reference(reference.clone())),
            Some(spec::Base::Scratch) => Some(Base::Reference("scratch".to_owned())),
            // Files and suites are errors together with `flytekit`.
            Some(spec::Base::Image(_) | spec::Base::File { .. } | spec::Base::Debian(_)) | None => {
                None
            }
        },
        platform: Some(if spec.platform.is_empty() {
            DEFAULT_PLATFORM.to_owned()
        } else {
            spec.platform.join(",")
        }),
        pip_index: text(spec.pip_index.as_deref()),
        pip_extra_index_url: list(&spec.pip_extra_index_url),
        // flytekit leaves these two out of its hash.
        pip_secret_mounts: None,
        runtime_packages: None,
        registry_config: text(
            spec.registry_config
                .as_ref()
                .map(|file| file.given.as_str()),
        ),
        pip_extra_args: text(spec.pip_extra_args.as_deref()),
        entrypoint: spec.entrypoint.clone(),
        commands: list(&spec.commands),
        tag_format: spec.tag_format.clone(),
        source_copy_mode: match spec.source_copy_mode {
            Some(SourceCopyMode::All) => Some(CopyMode::All),
            Some(SourceCopyMode::None) => Some(CopyMode::NoCopy),
            None => (!spec.source_files.is_empty()).then_some(CopyMode::LoadedModules),
        },
        copy: copies(spec),
        python_exec: text(spec.python_exec.as_deref()),
        builder_options: map(&spec.builder_options),
        builder_config: map(&config),
    }
}

fn copies(spec: &ImageSpec) -> Value {
    let given = spec.copy.iter().filter_map(|copy| match &copy.from {
        CopyFrom::Workspace { given, .. } => Some(Value::Text(given.clone())),
        // flytekit has no such copies.
        CopyFrom::Image { .. } => None,
    });
    let given: Vec<Value> = given.collect();
    if given.is_empty() {
        Value::None
    } else {
        Value::List(given)
    }
}
