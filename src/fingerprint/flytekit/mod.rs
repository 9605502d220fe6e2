//! What flytekit 1.16.31 itself calls the image of an `ImageSpec`: id, tag and image name, byte for byte.
//!
//! Knows neither manifest nor builder, runs no Python. The choice made: the algorithm is pure text over fields that hold what
//! Python would hold, and asks a [`Digests`] for the three digests of files; [`Folder`] is the one that reads a disk. Where
//! flytekit's answer depends on the machine (the order of folders, the processor, the user's own git settings), the machine
//! is a parameter or is left out, and the place says which.

mod digest;
mod error;
mod format;
mod ignore;
mod keywords;
mod repr;
mod spec;
#[cfg(test)]
mod tests;
mod value;
mod walk;
mod words;

pub use digest::{Folder, Order};
pub use error::Error;
pub use repr::repr;
pub use spec::{Base, CopyMode, Fields, Spec};
pub use value::Value;

/// The digests of files that a tag is made of. Paths are as the spec gives them.
pub trait Digests {
    /// The sha1, in hexadecimal digits, of a requirements or lock file without the white space at its ends.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn requirements(&self, path: &str) -> Result<String, Error>;

    /// The md5, in hexadecimal digits, of the sources that flytekit would put into the image; never asked with
    /// [`CopyMode::NoCopy`].
    ///
    /// # Errors
    /// When they cannot be found or read.
    fn source(&self, source_root: &str, mode: &CopyMode) -> Result<String, Error>;

    /// The md5, in hexadecimal digits, of what `copy` names; what is missing counts as nothing.
    ///
    /// # Errors
    /// When something there cannot be read.
    fn copy(&self, copy: &Value) -> Result<String, Error>;
}
