//! Reads KDL manifests into a workspace, reporting all mistakes in all files at once with their places.
//!
//! The submodules follow the path of the text: `syntax` parses it into nodes, `decode` substitutes variables and turns nodes
//! into fields, `inherit` merges the fields that an image gets from defaults, templates, a matrix and flags into one spec, and
//! `load` takes one file after the other through all of that. The fields and their rules belong to [`crate::spec`]; `write`
//! formats names and values, `image_node` whole images. After a mistake, every stage continues with what it understood.

mod decode;
#[cfg(test)]
mod fuzz;
mod image_node;
mod inherit;
mod load;
mod notes;
mod syntax;
#[cfg(test)]
#[allow(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "tests are read, not timed"
)]
mod tests;
pub(crate) mod write;

use std::path::{Path, PathBuf};

pub(crate) use decode::inside;
pub(crate) use image_node::{image_node, image_text};
pub use inherit::Overrides;
pub use load::{Apart, FILE_NAME, Root, Unsure, find, load};
pub(crate) use load::{Instead, find_instead, load_instead, load_nodes, load_with_names};
pub(crate) use syntax::{Data, Node, Token, TokenKind, Value, parse, same, tokens};

use crate::disk::read::{self, Links};

pub(crate) use crate::spec::fields::takes;

/// The nearest thing named `imgspec.kdl` that is not a file, and the reason.
pub fn find_other(from: &Path) -> Option<(PathBuf, String)> {
    from.ancestors().find_map(|folder| {
        let path = folder.join(FILE_NAME);
        let refusal = read::open(&path, Links::Follow).err();
        let refusal = refusal.filter(|refusal| !refusal.is_absent())?;
        Some((path, refusal.to_string()))
    })
}
