//! Converts a program's specs to equivalent manifests, which are then read like any other: with the same rules and the same
//! error messages, each with an excerpt.
//!
//! Values that a manifest may not have are errors here too. Builder names are not checked, because programs can register their
//! own.

use std::path::PathBuf;

use crate::manifest::{image_node, load_nodes};
use crate::workspace::{Image, Loaded};

/// Creates a workspace as if each image had a manifest of its own in `root`, which must be canonical. Reads no files.
pub(super) fn assemble(root: PathBuf, images: &[Image]) -> Loaded {
    let nodes = images.iter();
    load_nodes(root, nodes.map(|image| (image_node(image), &image.folder)))
}
