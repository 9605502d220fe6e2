//! The graph in the languages of other programs: a bake file, a Makefile, a pipeline for a build server.
//!
//! Pure: what is written is made of [`Node`]s, and for builds without imgspec of the [`Build`]s that belong to them. Values
//! never become words of another language: each writer quotes as its reader unquotes.

mod bake;
mod make;
mod names;
mod pipeline;

use std::path::PathBuf;

pub use bake::bake;
pub use make::{SCRIPT, make, script};
pub use names::{named, names};
pub use pipeline::{Pipeline, github_actions, gitlab};

use crate::backend::docker::Described;

/// An image and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The image's id.
    pub image: String,
    /// The name of its target or job; also of the directory with its files.
    pub name: String,
    /// Positions of the images that must be there before it is built.
    pub needs: Vec<usize>,
}

/// How Docker builds an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// What the result is called.
    pub reference: String,
    /// Everything about it but its files.
    pub described: Described,
    /// The secrets that come from files: ids and paths; a path may begin with `~/`.
    pub secret_files: Vec<(String, PathBuf)>,
    /// The secrets that come from environment variables: ids and names.
    pub secret_variables: Vec<(String, String)>,
}
