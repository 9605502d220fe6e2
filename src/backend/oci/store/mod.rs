//! A content-addressed store of image blobs, in a directory shared by all processes of a user; and the names of its
//! manifests.
//!
//! Independent of any backend and network. A blob appears under its digest only once it is complete and synced, by a
//! rename, so readers need no lock. Unfinished files are locked by their writer, which distinguishes leftovers of
//! killed processes from files in use (`docs/design/exchange.md`).

mod blobs;
mod caches;
mod checked;
mod error;
mod left;
mod links;
mod notes;
mod scratch;
mod spool;
mod sweep;
#[cfg(test)]
mod tests;
mod tools;
mod trees;
mod turn;
mod write;

pub use blobs::Store;
pub(in crate::backend) use caches::{Cache, CacheUsage};
pub use error::StoreError;
pub use links::{Links, Stored};
pub(in crate::backend) use scratch::Scratch;
pub(in crate::backend) use spool::Spool;
pub(in crate::backend) use sweep::{Sweep, Usage};
pub(in crate::backend) use trees::TreeUsage;
pub(in crate::backend) use turn::Turn;
pub use write::{Blob, Writer};
