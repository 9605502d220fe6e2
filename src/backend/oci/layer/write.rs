//! Writes a layer into the store: tar, hashes and index in one pass.

use std::io::{self, BufWriter, PipeWriter, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::compress::{Compressor, Encoding};
use super::index::{Contents, Index, Node, NodeKind};
use super::kept;
use super::tar::{self, Entry, EntryKind, Xattr};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::{Blob, Store, StoreError, Writer};

/// What is passed on at once.
const TAPPED: usize = 64 << 10;

/// A finished layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Layer {
    /// The compressed tar in the store.
    pub(in crate::backend) blob: Blob,
    pub(in crate::backend) contents: Contents,
}

/// Writes a layer; dropping it discards it.
#[derive(Debug)]
pub(in crate::backend) struct LayerWriter {
    pub(super) blob: Writer,
    plain: Sha256,
    /// The size of the tar so far.
    size: u64,
    encoding: Encoding,
    compressor: Compressor,
    index: Index,
    /// The bytes of the current file that are still to come.
    pub(super) left: u64,
    padding: usize,
    /// The content of the current file, if its text is kept in the index.
    text: Option<Vec<u8>>,
    /// Where all bytes of the tar go too.
    tap: Option<BufWriter<PipeWriter>>,
}

impl LayerWriter {
    pub(in crate::backend) fn new(store: &Store, encoding: Encoding) -> Result<Self, StoreError> {
        Ok(Self {
            blob: store.writer()?,
            plain: Sha256::new(),
            size: 0,
            encoding,
            compressor: Compressor::new(encoding),
            index: Index::default(),
            left: 0,
            padding: 0,
            text: None,
            tap: None,
        })
    }

    /// Passes on all bytes of the tar too, as long as somebody reads them.
    pub(in crate::backend) fn tapped(mut self, tap: PipeWriter) -> Self {
        self.tap = Some(BufWriter::with_capacity(TAPPED, tap));
        self
    }

    /// Begins an entry. Entries must be sorted so that directories come before what is in them.
    pub(in crate::backend) fn entry(&mut self, entry: &Entry<'_>) -> Result<(), StoreError> {
        self.entry_with(entry, &[])
    }

    /// Begins an entry with extended attributes. Names that would remove something where the layer is unpacked are refused,
    /// whoever they come from.
    pub(in crate::backend) fn entry_with(
        &mut self,
        entry: &Entry<'_>,
        xattrs: &[Xattr],
    ) -> Result<(), StoreError> {
        debug_assert_eq!(self.left, 0, "the previous file is whole");
        if let Some(why) = tar::removal(entry.path) {
            return Err(StoreError::Files(io::Error::other(why)));
        }
        let head = tar::head(entry, xattrs).map_err(StoreError::Files)?;
        self.bytes(&head)?;
        self.text = None;
        let kind = match entry.kind {
            EntryKind::Folder => NodeKind::Folder,
            EntryKind::Link { target } => NodeKind::Link(target.to_owned()),
            EntryKind::HardLink { target } => NodeKind::HardLink(target.to_owned()),
            EntryKind::Whiteout => NodeKind::Whiteout,
            EntryKind::File { size } => {
                (self.left, self.padding) = (size, tar::padding(size));
                self.text = kept::is_kept(entry.path, size).then(Vec::new);
                NodeKind::File(None)
            }
            EntryKind::Pipe | EntryKind::Device { .. } => NodeKind::Special,
        };
        Arc::make_mut(&mut self.index.nodes).push(Node {
            path: entry.path.into(),
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
        });
        if self.left == 0 { self.end() } else { Ok(()) }
    }

    /// Appends to the content of the current file, which must not become longer than it was said to be.
    pub(in crate::backend) fn content(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| {
            StoreError::Files(io::Error::other("a file is longer than its head says"))
        })?;
        self.bytes(bytes)?;
        if let Some(text) = &mut self.text {
            text.extend_from_slice(bytes);
        }
        if self.left == 0 { self.end() } else { Ok(()) }
    }

    /// Ends an entry.
    fn end(&mut self) -> Result<(), StoreError> {
        if let (Some(text), Some(node)) = (
            self.text.take(),
            Arc::make_mut(&mut self.index.nodes).last_mut(),
        ) {
            let kept = kept::text(&node.path, text.len() as u64, text.as_slice());
            node.kind = NodeKind::File(kept.map_err(StoreError::Files)?);
        }
        self.pad()
    }

    /// Completes the layer.
    pub(in crate::backend) fn finish(mut self) -> Result<Layer, StoreError> {
        self.bytes(&tar::END)?;
        // Flushed, and closed: whoever reads it comes to the end while the rest is compressed.
        drop(self.tap.take());
        for member in self.compressor.finish().map_err(StoreError::Files)? {
            self.blob.add(&member)?;
        }
        Ok(Layer {
            blob: self.blob.finish(None)?,
            contents: Contents {
                diff_id: Digest::finish(self.plain),
                size: self.size,
                index: self.index,
            },
        })
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Ends the current member, which may be compressed already.
    pub(super) fn flush(&mut self, made: Option<Vec<u8>>) -> Result<(), StoreError> {
        let members = match made {
            Some(member) => self.compressor.flush_as(member),
            None => self.compressor.flush(),
        };
        for member in members.map_err(StoreError::Files)? {
            self.blob.add(&member)?;
        }
        Ok(())
    }

    /// Hashes bytes of the tar, which the blob has or gets in another way.
    pub(super) fn hash(&mut self, bytes: &[u8]) {
        self.plain.update(bytes);
        self.size += bytes.len() as u64;
        if let Some(tap) = &mut self.tap
            && tap.write_all(bytes).is_err()
        {
            self.tap = None;
        }
    }

    pub(super) fn pad(&mut self) -> Result<(), StoreError> {
        let zeros = [0; 512];
        let padding = std::mem::take(&mut self.padding);
        self.bytes(&zeros[..padding])
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hash(bytes);
        for member in self.compressor.add(bytes).map_err(StoreError::Files)? {
            self.blob.add(&member)?;
        }
        Ok(())
    }
}
