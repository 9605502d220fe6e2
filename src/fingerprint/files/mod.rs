//! Reads file sets from disk, with digests.
//!
//! Writes no files except the index of their times. What was read can later be checked cheaply for changes.
//! Measurements are in `docs/design/key.md`.

mod content;
mod error;
pub(super) mod find;
mod found;
mod index;
mod known;
mod mark;
mod reader;
mod reading;
mod requirements;
mod seen;
mod set;
pub(crate) mod trail;
mod walk;

pub use error::{FilesError, Mention};
pub(crate) use index::INDEX;
pub use index::Trust;
pub use reader::{FileReader, read_files};
pub(crate) use requirements::{index_lines, is_hashed, requirement_lines};
pub use set::{Entry, EntryKind, Files};
pub use trail::Trail;

#[cfg(test)]
mod tests;
