//! The specification of one image as plain data, in the manifest's vocabulary.
//!
//! The fields are exactly those that a user writes, after inheritance and variables but before any defaults, which other modules own
//! (see [`crate::recipe`]). A new field is a line here and a row in `spec/fields.rs`.

use std::borrow::Cow;

mod build;
pub(crate) mod fields;
mod health;
mod parts;
mod path;
mod requirements;
pub(crate) mod rules;
mod with;

pub use build::{
    NamedContext, OwnDockerfile, OwnStep, PipSecretMount, Secret, SecretFile, SecretSource,
    SecretStep, SecretUse,
};
pub use health::{HealthTest, Healthcheck};
pub use parts::{Base, Copy, CopyFrom, Debian, SourceCopyMode, Variant};
pub use path::{GivenPath, OutsidePath, PathKind, WorkspacePath};
pub use requirements::RequirementsKind;

/// The specification of one image. Field names follow flytekit's `ImageSpec`, and Docker's vocabulary where flytekit has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct ImageSpec {
    /// Repository name of the image reference; defaults to the image's id.
    pub name: Option<String>,
    /// Registry and optional path prefix, such as `ghcr.io/acme`; `None` for local images.
    pub registry: Option<String>,
    /// The backend that must build this image.
    pub builder: Option<String>,
    /// Platforms, such as `linux/amd64`; empty means [`DEFAULT_PLATFORM`].
    pub platform: Vec<String>,
    /// The image to build on; `None` means [`DEFAULT_BASE`].
    pub base_image: Option<Base>,
    /// Debian packages to install.
    pub apt_packages: Vec<String>,
    /// Version of Python that uv installs under `/opt/python`, such as `3.12`.
    pub python_version: Option<String>,
    /// Path inside the image of the Python interpreter that packages are installed for.
    pub python_exec: Option<String>,
    /// Python requirement specifiers.
    pub packages: Vec<String>,
    /// Conda packages, resolved from conda-forge and [`Self::conda_channels`].
    pub conda_packages: Vec<String>,
    /// Additional conda channels, searched after conda-forge.
    pub conda_channels: Vec<String>,
    /// A requirements file, lock file or project file of the workspace.
    pub requirements: Option<GivenPath>,
    /// URL of the package index that replaces the default index.
    pub pip_index: Option<String>,
    /// URLs of additional package indexes.
    pub pip_extra_index_url: Vec<String>,
    /// Additional arguments for the package installer, split as a shell would.
    pub pip_extra_args: Option<String>,
    /// Whether Python packages are compiled to bytecode; `None` for what the builder usually does.
    pub python_bytecode: Option<bool>,
    /// Local files mounted while Python packages are installed, with their mount points.
    pub pip_secret_mounts: Vec<PipSecretMount>,
    /// Secrets made available to build steps while they run.
    pub secrets: Vec<Secret>,
    /// CUDA version, such as `12.4`; makes NVIDIA's CUDA image the base.
    pub cuda: Option<String>,
    /// cuDNN version, such as `9`; only with [`Self::cuda`].
    pub cudnn: Option<String>,
    /// Environment variables, in manifest order.
    pub env: Vec<(String, String)>,
    /// Directory of the image's own source files.
    pub source_root: Option<GivenPath>,
    /// Which of the source files are copied in.
    pub source_copy_mode: Option<SourceCopyMode>,
    /// The source files to copy, relative to [`Self::source_root`]; all if empty. With [`Self::flytekit`], the modules that
    /// it has loaded.
    pub source_files: Vec<String>,
    /// Files to copy into the image, in order.
    pub copy: Vec<Copy>,
    /// Shell commands to run in the image, in order.
    pub commands: Vec<String>,
    /// The image's entrypoint, as an argument vector.
    pub entrypoint: Option<Vec<String>>,
    /// The image's default command, as an argument vector.
    pub cmd: Option<Vec<String>>,
    /// User that containers run as.
    pub user: Option<String>,
    /// Absolute working directory.
    pub workdir: Option<String>,
    /// Labels, in manifest order.
    pub labels: Vec<(String, String)>,
    /// Ports that containers listen on, such as `8080`, `53/udp` or `8000-8010`.
    pub expose: Vec<String>,
    /// Absolute paths whose files containers keep in volumes.
    pub volume: Vec<String>,
    /// How running containers are checked.
    pub healthcheck: Option<Healthcheck>,
    /// The signal that asks containers to stop, such as `SIGINT`.
    pub stop_signal: Option<String>,
    /// What runs command lines, as an argument vector to which they are appended; `/bin/sh -c` if none is set.
    pub shell: Option<Vec<String>>,
    /// How layers are compressed: `gzip`, `gzip-single` or `zstd`.
    pub compression: Option<String>,
    /// Caches of build steps to read: references in registries, or [`OWN_CACHE`].
    pub cache_from: Vec<String>,
    /// Caches of build steps to write, and to read too: references in registries, or [`OWN_CACHE`].
    pub cache_to: Vec<String>,
    /// Attestations to make of builds, as kinds and details.
    pub attest: Vec<(String, String)>,
    /// Format string of the tag; `{spec_hash}` stands for the tag derived from the image's key.
    pub tag_format: Option<String>,
    /// Further names of the image: tags of its own repository, or whole references.
    pub also_tag: Vec<String>,
    /// Steps in a user-defined order, run after those of the other fields.
    pub steps: Vec<OwnStep>,
    /// A Dockerfile to build instead of generating one; it then defines the whole image.
    pub dockerfile: Option<Box<OwnDockerfile>>,
    /// Python packages that flytekit installs when a container starts; only with [`Self::flytekit`].
    pub runtime_packages: Vec<String>,
    /// Options passed to the builder, under the builder's own names.
    pub builder_options: Vec<(String, String)>,
    /// Helper images that supply the installers: `uv-image`, `micromamba-image`.
    pub builder_config: Vec<(String, String)>,
    /// A configuration file that tells envd how to reach registries.
    pub registry_config: Option<GivenPath>,
    /// Version of flytekit to be compatible with: sets the tag, user and environment.
    pub flytekit: Option<String>,
    /// flytekit's id of the spec, which the image contains; computed if not given.
    pub flytekit_id: Option<String>,
    /// Version of the Python that flytekit runs in, which it installs where there is no [`Self::python_version`].
    pub flytekit_python: Option<String>,
}

/// A dependency of one image on another image of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need<'a> {
    /// Manifest name of the field that creates the dependency, such as `base-image` or `copy[2]`.
    pub field: String,
    /// Id of the other image.
    pub image: &'a str,
    /// Whether the other image is the base, rather than a source of copied files.
    pub is_base: bool,
}

impl ImageSpec {
    /// Returns the workspace images that this one depends on, in field order.
    pub fn needs(&self) -> Vec<Need<'_>> {
        let mut needs = Vec::new();
        let mut need = |field, image, is_base| {
            needs.push(Need {
                field,
                image,
                is_base,
            });
        };
        if let Some(Base::Image(id)) = &self.base_image {
            need("base-image".to_owned(), id.as_str(), true);
        }
        for (list, at, copy) in self.copies() {
            if let CopyFrom::Image { image, .. } = &copy.from {
                need(format!("{list}[{at}]"), image, false);
            }
        }
        for (name, context) in self.dockerfile.iter().flat_map(|own| &own.contexts) {
            if let NamedContext::Image(id) = context {
                need(format!("dockerfile.contexts.{name}"), id, true);
            }
        }
        needs
    }

    /// Returns the workspace files and directories that this image reads, each with the manifest name of its field.
    pub fn paths(&self) -> Vec<(Cow<'static, str>, &WorkspacePath, PathKind)> {
        let mut paths = Vec::new();
        let mut add = |field: Cow<'static, str>, path, kind| paths.push((field, path, kind));
        if let Some(Base::File { file, .. }) = &self.base_image {
            add("base-image".into(), &file.path, PathKind::Any);
        }
        if let Some(requirements) = &self.requirements {
            add("requirements".into(), &requirements.path, PathKind::File);
        }
        if let Some(config) = &self.registry_config {
            add("registry-config".into(), &config.path, PathKind::File);
        }
        if let Some(root) = &self.source_root {
            add("source-root".into(), &root.path, PathKind::Folder);
        }
        for (at, step) in self.steps.iter().enumerate() {
            if let OwnStep::Pip {
                requirements: Some(requirements),
                ..
            } = step
            {
                let field = format!("steps[{at}]");
                add(field.into(), &requirements.path, PathKind::File);
            }
        }
        for (list, at, copy) in self.copies() {
            if let CopyFrom::Workspace { path, .. } = &copy.from {
                add(format!("{list}[{at}]").into(), path, PathKind::Any);
            }
        }
        if let Some(own) = &self.dockerfile {
            add("dockerfile".into(), &own.path, PathKind::File);
            add("dockerfile.context".into(), &own.context, PathKind::Folder);
            for (name, context) in &own.contexts {
                if let NamedContext::Folder(path) = context {
                    let field = format!("dockerfile.contexts.{name}");
                    add(field.into(), path, PathKind::Folder);
                }
            }
        }
        paths
    }

    /// The version of Python to install.
    pub(crate) fn python(&self) -> Option<&String> {
        self.python_version
            .as_ref()
            .or(self.flytekit_python.as_ref())
    }

    pub(crate) fn installs_python_packages(&self) -> bool {
        let pip = |step: &OwnStep| matches!(step, OwnStep::Pip { .. });
        !self.packages.is_empty()
            || self.requirements.is_some()
            || self.flytekit.is_some()
            || self.steps.iter().any(pip)
    }

    pub(crate) fn installs_conda_packages(&self) -> bool {
        let conda = |step: &OwnStep| matches!(step, OwnStep::Conda(_));
        !self.conda_packages.is_empty() || self.steps.iter().any(conda)
    }

    /// All copies: of `copy`, then of `steps`; each with the field and its place in that.
    pub(crate) fn copies(&self) -> impl Iterator<Item = (&'static str, usize, &Copy)> {
        let own = self
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| match step {
                OwnStep::Copy(copy) => Some(("steps", at, copy)),
                _ => None,
            });
        let copy = self.copy.iter().enumerate();
        copy.map(|(at, copy)| ("copy", at, copy)).chain(own)
    }
}

/// The platform of images that name none: fixed, so that every machine computes the same key.
pub const DEFAULT_PLATFORM: &str = "linux/amd64";

/// The word for the cache in the image's own repository.
pub const OWN_CACHE: &str = "auto";

/// The base of images that name none: flytekit's.
pub const DEFAULT_BASE: &str = "debian:bookworm-slim";
