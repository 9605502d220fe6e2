//! What flytekit 1.16.31 itself calls the image of an `ImageSpec`: id, tag and image name, byte for byte.
//!
//! The algorithm is pure text over fields that hold what Python would hold, and asks a [`Digests`] for the three digests of
//! files; [`Folder`] is the one that reads a disk. Where flytekit's answer depends on the machine (the order of directories,
//! the processor, the user's own git settings), the machine is a parameter or is left out, and the place says which.

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
