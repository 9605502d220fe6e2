//! Small texts beside the blobs: what layers contain, and what images are called. Each is replaced as a whole.

use super::blobs::Store;
use super::error::StoreError;

/// More than the list of the files of a large image needs.
pub(super) const LARGEST: u64 = 256 << 20;

impl Store {
    /// The note of this name, if there is one. A damaged note is up to the caller, to whom it counts as none.
    pub(in crate::backend) fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.notes.read(name, LARGEST)?)
    }

    /// Keeps a note, replacing any of the same name.
    pub(in crate::backend) fn keep_note(&self, name: &str, text: &[u8]) -> Result<(), StoreError> {
        Ok(self.0.notes.replace(name, text)?)
    }
}
