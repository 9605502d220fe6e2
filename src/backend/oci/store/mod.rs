//! The blobs of images, by their digests, in one directory that all processes of a user share; and what they are called.
//!
//! Knows no backend and no network. A blob appears under its digest only whole and on disk, by a rename, so that no reader needs
//! a lock; whatever is unfinished belongs to a process that holds a lock on it, so that what a killed one left is known from
//! what a living one needs (`docs/design/exchange.md`).

mod blobs;
mod error;
mod links;
#[cfg(test)]
mod tests;
mod write;

pub use blobs::Store;
pub(crate) use blobs::cache;
pub use error::StoreError;
pub use links::{Links, Stored};
pub use write::{Blob, Writer};
