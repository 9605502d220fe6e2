//! What a build needs besides its steps: helper images, secrets, a Dockerfile of the user's own, wishes. Plain data.

use super::{FileSet, MICROMAMBA_IMAGE, UV_IMAGE};
use crate::spec::{SecretSource, SecretStep, WorkspacePath};

/// The images that helper programs are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helpers {
    /// The one with `/uv`.
    pub uv: String,
    /// The one with `/usr/bin/micromamba`.
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

/// A secret of an image, with the steps that get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSecret {
    /// What it is called.
    pub id: String,
    /// Where its value is: no part of the key.
    pub source: SecretSource,
    /// Which steps get it, and how; at least one.
    pub uses: Vec<Given>,
}

/// How a kind of step gets a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    /// The kind.
    pub step: SecretStep,
    /// As a variable, or as a file.
    pub place: SecretPlace,
}

/// Where a step finds a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretPlace {
    /// In this variable.
    Env(String),
    /// In this file.
    File(String),
}

/// A Dockerfile of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerfileRecipe {
    /// The file.
    pub file: FileSet,
    /// What it copies from.
    pub context: FileSet,
    /// The stage to build; none means the last.
    pub target: Option<String>,
    /// Build arguments, sorted by name.
    pub args: Vec<(String, String)>,
    /// What names in it stand for, sorted by name.
    pub contexts: Vec<(String, ContextSource)>,
}

/// What a name in a Dockerfile stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextSource {
    /// Another image of the workspace, by id.
    Image(String),
    /// An image of a registry.
    Registry(String),
    /// Files of the workspace.
    Files(FileSet),
}

/// How the builder is asked to build.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Its own options, by its own names.
    pub options: Vec<(String, String)>,
    /// A file that says how it reaches registries.
    pub registry_config: Option<WorkspacePath>,
    /// Whether what the builder does not know means nothing, as with flytekit, rather than being a mistake.
    pub is_lenient: bool,
}
