//! Compresses somebody else's tar into the store, and indexes it in the same pass.

use std::io::{self, Read};

use super::compress::{Compressor, Encoding};
use super::read::{LayerError, read_tar};
use super::write::Layer;
use crate::backend::oci::store::{Store, StoreError, Writer};

/// Makes a layer of a plain tar, whose bytes it keeps.
pub(in crate::backend) fn pack(
    plain: impl Read,
    store: &Store,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Layer, LayerError> {
    let mut packing = Packing {
        from: plain,
        compressor: Compressor::new(Encoding::default()),
        blob: store.writer()?,
        failure: None,
    };
    let read = read_tar(&mut packing, is_cancelled);
    if let Some(failure) = packing.failure {
        return Err(failure.into());
    }
    let contents = read?;
    let Packing {
        compressor,
        mut blob,
        ..
    } = packing;
    for member in compressor.finish()? {
        blob.add(&member)?;
    }
    let blob = blob.finish(None)?;
    Ok(Layer { blob, contents })
}

/// Compresses what is read through it.
struct Packing<R> {
    from: R,
    compressor: Compressor,
    blob: Writer,
    failure: Option<StoreError>,
}

impl<R: Read> Read for Packing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        for member in self.compressor.add(&buffer[..count])? {
            if let Err(error) = self.blob.add(&member) {
                self.failure = Some(error);
                return Err(io::Error::other("it cannot be stored"));
            }
        }
        Ok(count)
    }
}
