//! What a build needs besides its steps: helper images, secrets, the user's own Dockerfile, builder options.

use super::files::FileSet;
use crate::spec::{SecretSource, SecretStep, WorkspacePath};

/// The image that `uv` is taken from while packages are installed; it leaves nothing in the result.
pub const UV_IMAGE: &str = "ghcr.io/astral-sh/uv:0.9";

/// The image that micromamba is taken from while conda packages are installed; it leaves nothing in the result.
pub const MICROMAMBA_IMAGE: &str = "mambaorg/micromamba:2.3.2-debian12-slim";

/// The images of helper programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helpers {
    /// Contains `/uv`.
    pub uv: String,
    /// Contains `/usr/bin/micromamba`.
    pub micromamba: String,
}

impl Default for Helpers {
    fn default() -> Self {
        Self {
            uv: UV_IMAGE.to_owned(),
            micromamba: MICROMAMBA_IMAGE.to_owned(),
        }
    }
}

/// A secret, and the steps that get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSecret {
    /// Its id in the manifest.
    pub id: String,
    /// Where its value is; not part of the key.
    pub source: SecretSource,
    /// At least one.
    pub uses: Vec<Given>,
}

/// The kind of step that gets a secret, and where.
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
    /// An environment variable.
    Env(String),
    /// An absolute path.
    File(String),
}

/// The user's own Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerfileRecipe {
    /// The Dockerfile.
    pub file: FileSet,
    /// The build context.
    pub context: FileSet,
    /// The stage to build; by default the last.
    pub target: Option<String>,
    /// Build arguments, sorted by name.
    pub args: Vec<(String, String)>,
    /// Named contexts, sorted by name.
    pub contexts: Vec<(String, ContextSource)>,
}

/// What the name of a context refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// Another image of the workspace, by id.
    Image(String),
    /// An image of a registry.
    Registry(String),
    /// Files of the workspace.
    Files(FileSet),
}

/// Options of the builder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Names and values, as the builder defines them.
    pub options: Vec<(String, String)>,
    /// A file with settings of registries.
    pub registry_config: Option<WorkspacePath>,
    /// Whether unknown options are ignored, as flytekit does, rather than an error.
    pub is_lenient: bool,
}
