//! Brings the layers of files into the store, and verifies that the files are what was hashed.

use std::io::{self, Read};

use serde_json::Value;

use crate::backend::embedded::base::{LayerNote, Part, Source};
use crate::backend::embedded::common::failed;
use crate::backend::oci::layer::{self, Compression, Encoding, Layer, LayerError, pack, peek};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::Blob;
use crate::backend::{BuildError, context};
use crate::fingerprint::Files;

/// How much of a file shows what it is: a tar says so in its first block.
pub(super) const START: usize = 512;

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// A layer that is in the store now.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) part: Part,
    /// Known if it was compressed here.
    pub(super) diff_id: Option<Digest>,
}

/// The files of a base on their way into the store.
pub(super) struct Import<'a> {
    pub(super) files: &'a Files,
    pub(super) platform: &'a str,
    pub(super) source: &'a Source<'a>,
}

impl Import<'_> {
    pub(super) fn is_cancelled(&self) -> bool {
        self.source.cancel.is_requested()
    }

    /// Reads a file of the set, as far as `work` does. What was read to its end is what was hashed.
    pub(super) fn reading<T>(
        &self,
        path: &str,
        work: impl FnOnce(&mut dyn Read) -> Result<T, LayerError>,
    ) -> Result<T, BuildError> {
        let entry = self.files.entries.iter().find(|entry| entry.path == path);
        let entry = entry.ok_or_else(|| failed(format!("there is no `{path}` in it")))?;
        let mut file = context::verified(self.files, entry)?;
        let done = work(&mut file);
        if file.is_moved() {
            return Err(context::moved(self.files, entry));
        }
        done.map_err(|error| match error {
            LayerError::Cancelled => BuildError::Cancelled,
            error => failed(error),
        })
    }

    /// Indexes a compressed layer of the store; returns the digest of its tar.
    pub(super) fn indexed(&self, blob: Digest) -> Result<Digest, BuildError> {
        let (file, _) = self.source.store.read(blob).map_err(failed)?;
        let read = layer::read(file, &|| self.is_cancelled());
        let contents = read.map_err(|error| match error {
            LayerError::Cancelled => BuildError::Cancelled,
            error => failed(error),
        })?;
        let diff_id = contents.diff_id;
        let note = LayerNote::new(contents);
        note.keep(self.source.store, blob)?;
        Ok(diff_id)
    }

    pub(super) fn stored(&self, config: &[u8], parts: &[Part]) -> Result<Digest, BuildError> {
        Ok(self.source.put_manifest(config, parts, Value::Null)?.digest)
    }

    /// Brings a layer into the store: compressed as it is, or else compressed here. `promised` is the digest that it has
    /// to have.
    pub(super) fn layer(
        &self,
        from: &mut dyn Read,
        promised: Option<Digest>,
    ) -> Result<Held, LayerError> {
        let store = self.source.store;
        let (start, mut whole) = peek(from, START)?;
        let encoding = match Compression::of(&start) {
            Compression::Gzip => Encoding::Gzip,
            Compression::Zstd => Encoding::Zstd,
            Compression::Other(name) => {
                let why = format!("it is compressed with {name}, which is not supported");
                return Err(io::Error::other(why).into());
            }
            Compression::None => {
                let Layer { blob, contents } = pack(&mut whole, store, &|| self.is_cancelled())?;
                let diff_id = contents.diff_id;
                if let Some(promised) = promised.filter(|promised| *promised != diff_id) {
                    let why = format!("it has the digest `{diff_id}` instead of `{promised}`");
                    return Err(io::Error::other(why).into());
                }
                let note = LayerNote::new(contents);
                let kept = note.keep(store, blob.digest);
                kept.map_err(|error| io::Error::other(error.to_string()))?;
                return Ok(held(Encoding::default(), blob, Some(diff_id)));
            }
        };
        let mut writer = store.writer()?;
        let mut piece = vec![0; PIECE];
        loop {
            match whole.read(&mut piece) {
                _ if self.is_cancelled() => return Err(LayerError::Cancelled),
                Ok(0) => break,
                Ok(count) => writer.add(&piece[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let blob = writer.finish(promised)?;
        Ok(held(encoding, blob, None))
    }
}

fn held(encoding: Encoding, blob: Blob, diff_id: Option<Digest>) -> Held {
    Held {
        part: Part {
            media_type: encoding.media_type().to_owned(),
            digest: blob.digest,
            size: blob.size,
        },
        diff_id,
    }
}
