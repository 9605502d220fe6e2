//! A temporary file of the store: what has to wait until it can be written elsewhere, without being held in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::blobs::{Store, create};
use super::error::StoreError;
use crate::disk::dir::Fresh;

const PIECE: u64 = 256 << 10;

/// A temporary file; dropping it removes it.
#[derive(Debug)]
pub(in crate::backend) struct Spool {
    file: Fresh,
    reader: File,
    size: u64,
}

impl Store {
    pub(in crate::backend) fn spool(&self) -> Result<Spool, StoreError> {
        let unfinished = &self.0.unfinished;
        let file = create(unfinished)?;
        let reader = unfinished.file(&file.name)?;
        let gone = || unfinished.unread(&file.name, io::ErrorKind::NotFound.into());
        let (reader, _) = reader.ok_or_else(gone)?;
        Ok(Spool {
            file,
            reader,
            size: 0,
        })
    }
}

impl Spool {
    /// The number of bytes in it.
    pub(in crate::backend) fn size(&self) -> u64 {
        self.size
    }

    pub(in crate::backend) fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Passes on a part of it; the inner error is that of `give`.
    pub(in crate::backend) fn read<E>(
        &self,
        offset: u64,
        size: u64,
        give: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, StoreError> {
        let mut piece = vec![0; usize::try_from(size.min(PIECE)).unwrap_or_default()];
        let (mut at, end) = (offset, offset + size);
        while at < end {
            let count = usize::try_from((end - at).min(PIECE)).unwrap_or_default();
            self.reader.read_exact_at(&mut piece[..count], at)?;
            if let Err(error) = give(&piece[..count]) {
                return Ok(Err(error));
            }
            at += count as u64;
        }
        Ok(Ok(()))
    }
}
