//! What one image is asked to be: plain data, in the words of the manifest.
//!
//! The fields are exactly those that a user writes, after inheritance and variables but before any default that another module
//! owns (see [`crate::recipe`]). A new field is a line here and a row in `spec/fields.rs`.

mod build;
pub(crate) mod fields;
mod parts;
mod path;
mod requirements;
pub(crate) mod rules;
mod with;

pub(crate) use build::put_secret;
pub use build::{
    NamedContext, OwnDockerfile, OwnStep, PipSecretMount, Secret, SecretFile, SecretSource,
    SecretStep, SecretUse,
};
pub use parts::{Base, Copy, CopyFrom, SourceCopyMode};
pub use path::{GivenPath, OutsidePath, PathKind, WorkspacePath};
pub use requirements::RequirementsKind;

/// One image as its user describes it. The names are those of flytekit's `ImageSpec`, plus Docker's words where
/// flytekit has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct ImageSpec {
    /// Repository name of the reference; the image's id when absent.
    pub name: Option<String>,
    /// Registry (and path) before the name, such as `ghcr.io/acme`; none for local images.
    pub registry: Option<String>,
    /// The backend that must build this image.
    pub builder: Option<String>,
    /// Platforms, such as `linux/amd64`; empty means [`DEFAULT_PLATFORM`].
    pub platform: Vec<String>,
    /// What the image is built on; none means [`DEFAULT_BASE`].
    pub base_image: Option<Base>,
    /// Debian packages.
    pub apt_packages: Vec<String>,
    /// Version of the Python that uv installs under `/opt/python`, such as `3.12`.
    pub python_version: Option<String>,
    /// Path inside the image of the Python that receives the packages.
    pub python_exec: Option<String>,
    /// Python requirement specifiers.
    pub packages: Vec<String>,
    /// Conda packages, from conda-forge and [`Self::conda_channels`].
    pub conda_packages: Vec<String>,
    /// Further conda channels, looked at after conda-forge.
    pub conda_channels: Vec<String>,
    /// A requirements file, lock file or project file of the workspace.
    pub requirements: Option<GivenPath>,
    /// URL of the package index that replaces the default one.
    pub pip_index: Option<String>,
    /// URLs of further package indexes.
    pub pip_extra_index_url: Vec<String>,
    /// Further arguments of the installer, split as a shell would.
    pub pip_extra_args: Option<String>,
    /// Files of this machine that the installer of Python packages is shown, and where.
    pub pip_secret_mounts: Vec<PipSecretMount>,
    /// Secrets that steps are given while they run.
    pub secrets: Vec<Secret>,
    /// CUDA version, such as `12.4`: the base is NVIDIA's.
    pub cuda: Option<String>,
    /// cuDNN version, such as `9`; only with [`Self::cuda`].
    pub cudnn: Option<String>,
    /// Environment of the image, in the order of the manifest.
    pub env: Vec<(String, String)>,
    /// The directory of the image's own source files.
    pub source_root: Option<GivenPath>,
    /// Which of the source files are copied in.
    pub source_copy_mode: Option<SourceCopyMode>,
    /// Files that are copied into the image, in order.
    pub copy: Vec<Copy>,
    /// Shell commands that are run in the image, in order.
    pub commands: Vec<String>,
    /// Arguments of the image's entrypoint.
    pub entrypoint: Option<Vec<String>>,
    /// Default arguments of the image.
    pub cmd: Option<Vec<String>>,
    /// User that containers of the image run as.
    pub user: Option<String>,
    /// Working directory of the image, absolute.
    pub workdir: Option<String>,
    /// Labels, in the order of the manifest.
    pub labels: Vec<(String, String)>,
    /// Format of the tag, with `{spec_hash}` for the key's tag.
    pub tag_format: Option<String>,
    /// Steps in the user's own order, after those of the fields.
    pub steps: Vec<OwnStep>,
    /// A Dockerfile of the user's own, which then is all there is to the image.
    pub dockerfile: Option<OwnDockerfile>,
    /// Python packages that flytekit installs when a container starts; only with [`Self::flytekit`].
    pub runtime_packages: Vec<String>,
    /// How the builder builds, by its own names.
    pub builder_options: Vec<(String, String)>,
    /// The helper images that builders take programs from: `uv-image`, `micromamba-image`.
    pub builder_config: Vec<(String, String)>,
    /// How the builder reaches registries: a file of envd's.
    pub registry_config: Option<GivenPath>,
    /// The version of flytekit whose image this is: its tag, its user, its environment.
    pub flytekit: Option<String>,
}

/// What an image needs of another one of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need<'a> {
    /// The manifest's name of the field that says it, such as `base-image` or `copy[2]`.
    pub field: String,
    /// The other image's id.
    pub image: &'a str,
    /// Whether it is built on it, rather than copying files out of it.
    pub is_base: bool,
}

impl ImageSpec {
    /// The images of the workspace that it needs, in the order of the fields.
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
        for (field, copy) in self.copies() {
            if let CopyFrom::Image { image, .. } = &copy.from {
                need(field, image, false);
            }
        }
        for (name, context) in self.dockerfile.iter().flat_map(|own| &own.contexts) {
            if let NamedContext::Image(id) = context {
                need(format!("dockerfile.contexts.{name}"), id, true);
            }
        }
        needs
    }

    /// The files and directories of the workspace that it reads, with the manifest's names of the fields that name them.
    pub fn paths(&self) -> Vec<(String, &WorkspacePath, PathKind)> {
        let mut paths = Vec::new();
        let mut add = |field: String, path, kind| paths.push((field, path, kind));
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
                add(format!("steps[{at}]"), &requirements.path, PathKind::File);
            }
        }
        for (field, copy) in self.copies() {
            if let CopyFrom::Workspace { path, .. } = &copy.from {
                add(field, path, PathKind::Any);
            }
        }
        if let Some(own) = &self.dockerfile {
            add("dockerfile".into(), &own.path, PathKind::File);
            add("dockerfile.context".into(), &own.context, PathKind::Folder);
            for (name, context) in &own.contexts {
                if let NamedContext::Folder(path) = context {
                    let field = format!("dockerfile.contexts.{name}");
                    add(field, path, PathKind::Folder);
                }
            }
        }
        paths
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

    /// All copies: of `copy`, then of `steps`.
    pub(crate) fn copies(&self) -> impl Iterator<Item = (String, &Copy)> {
        let own = self
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| match step {
                OwnStep::Copy(copy) => Some((format!("steps[{at}]"), copy)),
                _ => None,
            });
        let copy = self.copy.iter().enumerate();
        copy.map(|(at, copy)| (format!("copy[{at}]"), copy))
            .chain(own)
    }
}

/// The platform of images that name none: fixed, so that every machine computes the same key.
pub const DEFAULT_PLATFORM: &str = "linux/amd64";

/// The base of images that name none: flytekit's.
pub const DEFAULT_BASE: &str = "debian:bookworm-slim";
