//! Small texts beside the blobs: what layers contain, and what images are called. Each is replaced as a whole, and begins
//! with its checksum, so that a damaged one counts as none: so no note waits for the disk.

use std::fs::{File, Metadata};

use super::blobs::Store;
use super::checked;
use super::error::StoreError;
use crate::disk::read;

/// More than the list of the files of a large image needs.
const LARGEST: u64 = 256 << 20;

/// The length of the checksum and of the end of its line.
const HEAD: usize = 65;

impl Store {
    /// The note of this name, if there is one and it is whole.
    pub(in crate::backend) fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((file, meta)) = self.0.notes.file(name)? else {
            return Ok(None);
        };
        checked::note_used(&file, &meta);
        Ok(whole(&file, &meta))
    }

    /// Keeps a note, replacing any of the same name.
    pub(in crate::backend) fn keep_note(&self, name: &str, text: &[u8]) -> Result<(), StoreError> {
        let sum = blake3::hash(text).to_hex();
        let whole = [sum.as_bytes(), b"\n", text].concat();
        Ok(self.0.notes.replace_soon(name, &whole)?)
    }
}

/// The text of a note, if it is whole.
pub(super) fn whole(file: &File, meta: &Metadata) -> Option<Vec<u8>> {
    let mut text = read::limited(file, meta, LARGEST).ok()?;
    if text.len() < HEAD {
        return None;
    }
    let sum = blake3::hash(&text[HEAD..]).to_hex();
    let is_whole = text[..HEAD - 1] == *sum.as_bytes() && text[HEAD - 1] == b'\n';
    text.drain(..HEAD);
    is_whole.then_some(text)
}
