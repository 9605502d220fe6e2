//! File sets as they are on disk: what is in them, with digests.
//!
//! Reads files, writes none; knows no recipe. What was read can later be asked cheaply whether it is still so. Measured in
//! `docs/design/key.md`.

mod content;
mod error;
pub(super) mod find;
mod reader;
mod reading;
mod requirements;
mod seen;
mod set;
pub(crate) mod trail;

pub use error::{FilesError, Mention};
pub use reader::{FileReader, read_files};
pub use set::{Entry, EntryKind, Files};
pub use trail::Trail;

#[cfg(test)]
mod tests;
