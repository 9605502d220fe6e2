//! Reads wheels, which are zip archives of strangers: every entry is where the archive says, once, and nowhere else.
//!
//! The crate `zip` was the alternative. It merges duplicates silently and never compares the two headers of an entry, and a
//! layer needs the compressed bytes themselves.

mod content;
mod directory;
mod entry;
mod fields;
mod local;
mod open;
#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;

pub(super) use content::Chunk;
pub(super) use entry::{Member, Start, ZipError, refused};
pub(super) use open::Zip;
