//! What a build needs besides its steps: helper images, secrets, a user-supplied Dockerfile and builder options.

use std::borrow::Cow;

use super::files::FileSet;
use crate::spec::{SecretSource, SecretStep, WorkspacePath};

/// The image that supplies `uv` while packages are installed; it leaves nothing in the result.
pub const UV_IMAGE: &str = "ghcr.io/astral-sh/uv:0.9";

/// The image that supplies micromamba while conda packages are installed; it leaves nothing in the result.
pub const MICROMAMBA_IMAGE: &str = "mambaorg/micromamba:2.3.2-debian12-slim";

/// The helper images that supply installers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helpers {
    /// Image that contains `/uv`.
    pub uv: Cow<'static, str>,
    /// Image that contains `/usr/bin/micromamba`.
    pub micromamba: Cow<'static, str>,
}

impl Default for Helpers {
    fn default() -> Self {
        Self {
            uv: UV_IMAGE.into(),
            micromamba: MICROMAMBA_IMAGE.into(),
        }
    }
}

/// A secret and the steps that receive it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSecret {
    /// The secret's id in the manifest.
    pub id: String,
    /// Where its value comes from; not part of the key.
    pub source: SecretSource,
    /// The steps that receive it; never empty.
    pub uses: Vec<Given>,
}

/// How one kind of step receives a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    /// The kind of step.
    pub step: SecretStep,
    /// Where it finds the secret.
    pub place: SecretPlace,
}

/// Where a step finds a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretPlace {
    /// The name of an environment variable.
    Env(String),
    /// The absolute path of a file.
    File(String),
}

/// A user-supplied Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerfileRecipe {
    /// The Dockerfile.
    pub file: FileSet,
    /// The build context.
    pub context: FileSet,
    /// The stage to build; `None` means the last.
    pub target: Option<String>,
    /// Build arguments, sorted by name.
    pub args: Vec<(String, String)>,
    /// Named contexts, sorted by name.
    pub contexts: Vec<(String, ContextSource)>,
}

/// What a named context refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// Another image of the workspace, by id.
    Image(String),
    /// An image from a registry.
    Registry(String),
    /// Files from the workspace.
    Files(FileSet),
}

/// Options for the builder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Names and values, as the builder defines them.
    pub options: Vec<(String, String)>,
    /// Caches to read, as the spec has them.
    pub cache_from: Vec<String>,
    /// Caches to write and to read, as the spec has them.
    pub cache_to: Vec<String>,
    /// Attestations to make, as kinds and details.
    pub attest: Vec<(String, String)>,
    /// A file with registry settings.
    pub registry_config: Option<WorkspacePath>,
    /// Whether unknown options are ignored, as in flytekit, rather than being an error.
    pub is_lenient: bool,
}
