//! Layers that were made here, found again by the key of what they are made from.

use super::base::{Image, LayerNote, Part, Source};
use super::common::{MADE, failed};
use crate::backend::BuildError;
use crate::backend::oci::layer::{Encoding, Layer};
use crate::backend::oci::name::Digest;

/// A layer in the store.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) part: Part,
    pub(super) note: LayerNote,
}

impl Made {
    /// Puts the layer on top of an image.
    pub(super) fn onto(self, image: &mut Image, words: &str) -> Result<(), BuildError> {
        let diff_id = Digest::read(&self.note.diff_id);
        let diff_id = diff_id.ok_or_else(|| failed("a note of the store is damaged"))?;
        image.push(self.part, &self.note.index);
        image.config.add_history(words, Some(diff_id));
        Ok(())
    }
}

/// What decides the bytes of a layer: every text is hashed with its length.
#[derive(Debug, Default)]
pub(super) struct Key(blake3::Hasher);

impl Key {
    pub(super) fn text(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    pub(super) fn number(&mut self, number: u64) {
        self.text(number.to_le_bytes());
    }

    /// The key of a layer with this encoding.
    pub(super) fn finish(mut self, encoding: Encoding) -> String {
        match encoding {
            Encoding::Gzip => {}
            Encoding::GzipSingle => self.text("gzip-single"),
            Encoding::Zstd => self.text("zstd"),
        }
        self.named(MADE)
    }

    /// The key as the name of a note that begins like this.
    pub(super) fn named(&self, start: &str) -> String {
        format!("{start}{}", self.0.finalize().to_hex())
    }
}

/// How layers are found or made.
pub(super) struct Once<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) encoding: Encoding,
    /// Whether layers of earlier builds are used.
    pub(super) use_known: bool,
}

impl Once<'_> {
    /// The layer with this key: of an earlier build, or of one that makes it now, or made by this one.
    pub(super) fn get(
        &self,
        key: &str,
        words: &str,
        make: impl FnOnce() -> Result<Layer, BuildError>,
    ) -> Result<Made, BuildError> {
        if let Some(known) = self.known(key)? {
            self.source.notes.cached(words);
            return Ok(known);
        }
        let whom = format!("another run that is making this layer: {words}");
        let turn = self.source.turn(key, &whom).map_err(failed)?;
        let _turn = turn.ok_or(BuildError::Cancelled)?;
        match self.known(key)? {
            Some(known) => Ok(known),
            None => self.keep(key, make()?),
        }
    }

    /// The layer with this key, if an earlier build has made it and it is still there.
    pub(super) fn known(&self, key: &str) -> Result<Option<Made>, BuildError> {
        if !self.use_known {
            return Ok(None);
        }
        let store = self.source.store;
        let Some(text) = store.note(key).map_err(failed)? else {
            return Ok(None);
        };
        let Some(digest) = std::str::from_utf8(&text).ok().and_then(Digest::read) else {
            return Ok(None);
        };
        let Some(size) = store.size(digest).map_err(failed)? else {
            return Ok(None);
        };
        let note = LayerNote::read(store, digest)?;
        Ok(note.map(|note| self.made(digest, size, note)))
    }

    fn keep(&self, key: &str, layer: Layer) -> Result<Made, BuildError> {
        let store = self.source.store;
        let note = LayerNote::new(layer.contents);
        note.keep(store, layer.blob.digest)?;
        let text = layer.blob.digest.to_string();
        store.keep_note(key, text.as_bytes()).map_err(failed)?;
        Ok(self.made(layer.blob.digest, layer.blob.size, note))
    }

    fn made(&self, digest: Digest, size: u64, note: LayerNote) -> Made {
        let media_type = self.encoding.media_type().to_owned();
        let part = Part {
            media_type,
            digest,
            size,
        };
        Made { part, note }
    }
}
