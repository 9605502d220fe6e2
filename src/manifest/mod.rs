//! KDL text → Workspace; all mistakes of all files at once, with their places.
//!
//! The rooms are the way of the text: `syntax` makes nodes of it, `decode` fills variables in and makes fields of nodes,
//! `inherit` makes one spec of the fields that defaults, templates, a matrix and flags give an image, and `load` takes one file
//! after the other through all that. Which fields there are and what their values may be belongs to [`crate::spec`]; how names
//! and values are written, `write` knows. Every stage goes on after a mistake with what it understood.

mod decode;
#[cfg(test)]
mod fuzz;
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

pub use inherit::Overrides;
pub use load::{Apart, FILE_NAME, Root, Unsure, find, load};
pub(crate) use load::{load_instead, load_said};
pub(crate) use syntax::{Data, Node, Token, TokenKind, Value, parse, same, tokens};

use crate::disk::read::{self, Links};

pub(crate) use crate::spec::fields::takes;

/// The nearest thing that is called `imgspec.kdl` and is no file, and why it is none.
pub fn find_other(from: &Path) -> Option<(PathBuf, String)> {
    from.ancestors().find_map(|folder| {
        let path = folder.join(FILE_NAME);
        let refusal = read::open(&path, Links::Follow).err();
        let refusal = refusal.filter(|refusal| !refusal.is_absent())?;
        Some((path, refusal.to_string()))
    })
}
