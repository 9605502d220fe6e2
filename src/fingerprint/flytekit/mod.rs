//! The id, tag and image name that flytekit 1.16.31 itself computes for an `ImageSpec`, byte for byte.
//!
//! The algorithm is pure text processing over fields with Python values; the three digests of files come from a
//! [`Digests`], of which [`Folder`] is the one that reads a disk. Where flytekit's result depends on the machine
//! (directory order, architecture, the user's git configuration), the machine is a parameter or is disregarded, as
//! documented there.

mod digest;
mod error;
mod format;
mod ignore;
mod repr;
mod spec;
#[cfg(test)]
mod tests;
mod value;
mod walk;
mod words;

pub use digest::Folder;
pub use error::Error;
pub use repr::repr;
pub use spec::{Base, CopyMode, Digests, Fields, Spec};
pub use value::Value;
pub use walk::Order;
