//! `ImageSpec` → `Recipe`: in which order and how fields become steps; knows no builder.
//!
//! The order is flytekit's: apt, Python or conda, env, packages, workdir, sources, copies, commands, the user's own steps, then
//! what only the image's config holds. What changes least often comes first, so that an edited source file leaves the package
//! layers alone.

mod build;
mod cuda;
mod files;
mod froms;
mod lower;
mod model;
mod outside;

pub use build::{
    ContextSource, DockerfileRecipe, Given, Helpers, MICROMAMBA_IMAGE, SecretPlace, StepSecret,
    UV_IMAGE, Wishes,
};
pub use cuda::{Mismatch, cuda_base};
pub use files::{FileSet, Own};
pub use froms::{Froms, OutsideImage, familiar, froms};
pub(crate) use lower::asks_for;
pub use lower::lower;
pub(crate) use lower::secrets;
pub use model::{
    Conda, Config, CopySource, CopyStep, Interpreter, Lock, LockTool, Pip, Recipe, Step,
};
pub use outside::repository;

/// The version of what recipes mean: part of every key, raised when the same recipe would give another image.
pub const FORMAT: u32 = 1;

/// Where conda packages are installed; its programs are in its `bin`. The path is flytekit's.
pub const CONDA_HOME: &str = "/opt/micromamba/envs/runtime";

/// The virtual environment of packages from a lock file; its programs are in its `bin`.
pub const VENV_HOME: &str = "/opt/venv";

/// Where uv's managed Python is installed; its programs are in its `bin`.
pub const PYTHON_HOME: &str = "/opt/python";
