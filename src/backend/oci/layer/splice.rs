//! Files whose content is compressed already, as in a wheel: their deflate streams become gzip members as they are.
//!
//! So a wheel becomes a layer without compressing anything again. A gzip file may consist of several members, each of which
//! is a small head, a deflate stream, a checksum and a size (RFC 1952).

use std::io;

use super::compress::{Encoding, HEAD};
use super::tar::Entry;
use super::write::LayerWriter;
use crate::backend::oci::store::StoreError;

/// The most that a stored block holds.
const BLOCK: usize = 0xffff;

/// A file whose content is given both compressed and plain, in pieces. The caller has verified that they belong together.
#[derive(Debug)]
pub(in crate::backend) struct Splice<'a> {
    to: &'a mut LayerWriter,
    size: u64,
    left: u64,
}

impl LayerWriter {
    /// Begins a file whose content is there as a whole deflate stream. `between` is what [`super::Heads`] made of what is between it
    /// and the file before, if that one was spliced too.
    pub(in crate::backend) fn splice(
        &mut self,
        entry: &Entry<'_>,
        between: Option<Vec<u8>>,
    ) -> Result<Splice<'_>, StoreError> {
        self.entry(entry)?;
        let size = std::mem::take(&mut self.left);
        if self.encoding() == Encoding::Gzip {
            self.flush(between)?;
            self.blob.add(&HEAD)?;
        }
        Ok(Splice {
            to: self,
            size,
            left: size,
        })
    }
}

impl Splice<'_> {
    /// Appends bytes of the deflate stream.
    pub(in crate::backend) fn packed(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        match self.to.encoding() {
            Encoding::Gzip => self.to.blob.add(bytes),
            Encoding::GzipSingle | Encoding::Zstd => Ok(()),
        }
    }

    /// Appends bytes of the content.
    pub(in crate::backend) fn plain(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| wrong("a file is longer than its head says"))?;
        match self.to.encoding() {
            Encoding::Gzip => {
                self.to.hash(bytes);
                Ok(())
            }
            Encoding::GzipSingle | Encoding::Zstd => self.to.bytes(bytes),
        }
    }

    /// Appends bytes of a content that is not compressed: the deflate stream stores them.
    pub(in crate::backend) fn stored(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        for block in bytes.chunks(BLOCK) {
            self.packed(&stored(block, false))?;
            self.packed(block)?;
        }
        self.plain(bytes)
    }

    /// Ends a content that was stored.
    pub(in crate::backend) fn finish_stored(mut self, crc: u32) -> Result<(), StoreError> {
        self.packed(&stored(&[], true))?;
        self.finish(crc)
    }

    /// Ends the file; `crc` is the checksum of its content.
    pub(in crate::backend) fn finish(self, crc: u32) -> Result<(), StoreError> {
        if self.left != 0 {
            return Err(wrong("a file is shorter than its head says"));
        }
        if self.to.encoding() == Encoding::Gzip {
            self.to.blob.add(&crc.to_le_bytes())?;
            // The size is kept modulo 2^32.
            let size = self.size.to_le_bytes();
            self.to.blob.add(&size[..4])?;
        }
        self.to.pad()
    }
}

/// The head of a stored block.
fn stored(block: &[u8], is_last: bool) -> [u8; 5] {
    let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
    let [low, high] = length.to_le_bytes();
    [u8::from(is_last), low, high, !low, !high]
}

fn wrong(why: &str) -> StoreError {
    StoreError::Files(io::Error::other(why))
}
