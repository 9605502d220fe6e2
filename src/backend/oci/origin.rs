//! Layers of bases that are not in the store: where they came from is known, and what is in them. Their bytes are fetched
//! when something needs them; a registry that has them does not.

use super::at_once::at_once;
use super::manifest::{Descriptor, LARGEST, Manifest};
use super::name::Digest;
use super::reference::Reference;
use super::registry::{Access, Pull, TransferError};
use super::store::{Store, StoreError, Turn};
use crate::asking::Asker;

/// The repository that a layer came from, such as `ghcr.io/team/base`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Origin(String);

impl Origin {
    /// How the names of its notes begin; a layer's digest follows.
    pub(in crate::backend) const START: &str = "from-";

    pub(in crate::backend) fn of(store: &Store, layer: Digest) -> Result<Option<Self>, StoreError> {
        let note = store.note(&Self::note(layer))?;
        Ok(note.and_then(|note| String::from_utf8(note).ok()).map(Self))
    }

    /// Notes that layers came from this repository.
    pub(in crate::backend) fn keep(
        store: &Store,
        layers: &[Descriptor],
        from: &Reference,
    ) -> Result<(), StoreError> {
        let own = layers.iter().filter(|layer| layer.is_own());
        for layer in own {
            if Self::of(store, layer.digest)?.is_none_or(|known| known.0 != from.repository) {
                let text = from.repository.as_bytes();
                store.keep_note(&Self::note(layer.digest), text)?;
            }
        }
        Ok(())
    }

    fn note(layer: Digest) -> String {
        format!("{}{}", Self::START, layer.hex())
    }

    /// Its path in the registry of this host, if that is where it is.
    pub(in crate::backend) fn at(&self, host: &str) -> Option<String> {
        let of = Reference::read(&self.0)?;
        (of.host == host).then_some(of.path)
    }
}

/// A store, and how it gets what it lacks.
#[derive(Clone, Copy)]
pub(in crate::backend) struct Supply<'a> {
    pub(in crate::backend) store: &'a Store,
    pub(in crate::backend) access: &'a Access,
    pub(in crate::backend) asker: Asker<'a>,
}

impl Supply<'_> {
    /// Waits for the turn to make what has this name, of all builds of all processes; `None` if cancelled. A long wait
    /// for `whom` is reported.
    pub(in crate::backend) fn turn(
        &self,
        name: &str,
        whom: &str,
    ) -> Result<Option<Turn>, StoreError> {
        let words = format!("waiting for {whom}");
        self.store.turn(name, &mut self.asker.waiting(&words))
    }

    /// Fetches a blob that the store lacks. Images on one base, built at once by any processes, fetch it once.
    pub(in crate::backend) fn fetch(
        &self,
        blob: &Descriptor,
        from: &Pull<'_>,
    ) -> Result<(), TransferError> {
        let is_there = || Ok::<_, StoreError>(self.store.size(blob.digest)? == blob.size);
        if is_there()? {
            return Ok(());
        }
        let whom = format!("another run that is fetching {}", blob.digest);
        let turn = self.turn(&blob.digest.hex(), &whom)?;
        let _turn = turn.ok_or(TransferError::Cancelled)?;
        if is_there()? {
            return Ok(());
        }
        self.asker.notes().log(&format!("fetching {}", blob.digest));
        from.fetch((blob.digest, blob.size), self.store)
    }

    /// Fetches a layer from where it came, unless the store has it.
    pub(in crate::backend) fn obtain(&self, blob: &Descriptor) -> Result<(), TransferError> {
        let digest = blob.digest;
        if self.store.size(digest)? == blob.size {
            return Ok(());
        }
        let unknown = || StoreError::Unknown(digest);
        let Origin(repository) = Origin::of(self.store, digest)?.ok_or_else(unknown)?;
        let of = Reference::read(&repository).ok_or_else(unknown)?;
        let from = Pull::new(&of, true, self.access, self.asker.cancel())?;
        self.fetch(blob, &from).map_err(|error| match error {
            TransferError::Absent => TransferError::Final(format!(
                "layer `{digest}` is neither in the store nor any longer in `{repository}`, where it came from"
            )),
            error => error,
        })
    }

    /// Fetches what the store lacks of an image that was built, by the digest of its manifest or index.
    pub(in crate::backend) fn whole(&self, digest: Digest) -> Result<(), TransferError> {
        let bytes = self.store.read_whole(digest, LARGEST)?;
        let manifest = Manifest::read(&bytes, None);
        let manifest = manifest.map_err(|error| TransferError::Store(error.to_string()))?;
        for one in &manifest.manifests {
            self.whole(one.digest)?;
        }
        at_once(&manifest.blobs, |blob| self.obtain(blob)).map(drop)
    }
}
