//! What is exported of an image.

use std::path::PathBuf;

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
    /// Its further names.
    pub names: Vec<String>,
    /// Everything about it but its files.
    pub described: Described,
    /// The secrets that come from files: ids and paths; a path may begin with `~/`.
    pub secret_files: Vec<(String, PathBuf)>,
    /// The secrets that come from environment variables: ids and names.
    pub secret_variables: Vec<(String, String)>,
}
