//! Lowers an `ImageSpec` to a `Recipe`, which defines the order and kind of build steps. Independent of builders.
//!
//! The order is flytekit's: apt, Python or conda, env, packages, workdir, sources, copies, commands, user-defined steps, then
//! image configuration. What changes least often comes first, so that editing a source file leaves package layers cached.

mod build;
mod chain;
mod cuda;
mod debian;
mod files;
mod froms;
mod lower;
mod model;
mod outside;
mod python;

pub use build::{
    ContextSource, DockerfileRecipe, Given, Helpers, MICROMAMBA_IMAGE, SecretPlace, StepSecret,
    UV_IMAGE, Wishes,
};
pub use cuda::{Mismatch, cuda_base};
pub use debian::{DebianBelow, DebianOf};
pub use files::{FileSet, Own};
pub use froms::{Froms, OutsideImage, familiar, froms};
pub(crate) use lower::asks_for;
pub use lower::lower;
pub(crate) use lower::secrets;
pub(crate) use model::time_words;
pub use model::{
    Conda, Config, CopySource, CopyStep, Healthcheck, Interpreter, Lock, LockTool, Pip, Recipe,
    Step,
};
pub use outside::repository;
pub use python::{BaseFile, PythonOf, PythonSource};

/// Version of the recipe semantics. Part of every key; raised when the same recipe would produce a different image.
pub const FORMAT: u32 = 1;

/// Where conda packages are installed; executables are in its `bin`. The path is flytekit's.
pub const CONDA_HOME: &str = "/opt/micromamba/envs/runtime";

/// The virtual environment for packages from a lock file; executables are in its `bin`.
pub const VENV_HOME: &str = "/opt/venv";

/// Where uv installs its managed Python; executables are in its `bin`.
pub const PYTHON_HOME: &str = "/opt/python";
