//! Leaves the records of pushed images in their registries, for machines that have none of their own.
//!
//! A record is worth less than its image: what keeps one from being written is a warning, once for each registry, which is then left
//! alone for the rest of the run.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::backend::oci::reference::Reference;
use crate::backend::{Memo, Notes, StoreKind};
use crate::cancel::Cancel;
use crate::clean::clean;
use crate::fingerprint::Key;
use crate::graph::ImageId;
use crate::store::{LONGEST_NAME, RecordState, Store};
use crate::world::View;

/// Who builds, for records.
const BUILT_BY: &str = "IMGSPEC_BUILT_BY";

/// The registries that take no records in this run.
#[derive(Default)]
pub(crate) struct Records(Mutex<BTreeSet<String>>);

/// An image that was just pushed.
pub(super) struct Pushed<'a> {
    pub(super) view: &'a View,
    pub(super) id: ImageId,
    pub(super) key: &'a Key,
    /// Its digest in the registry, if it is known.
    pub(super) digest: Option<&'a str>,
    pub(super) store: &'a Store,
}

impl Records {
    /// Leaves the record of a pushed image, if it is known how it was built. Returns the warning to show, if any.
    pub(super) fn leave(
        &self,
        pushed: &Pushed<'_>,
        notes: &dyn Notes,
        cancel: &Cancel,
    ) -> Result<(), String> {
        let Pushed {
            view, id, store, ..
        } = *pushed;
        let world = &view.world;
        let (image, reference) = (view.name(id), view.reference(id));
        let memory = world.backends[id.index()].memory();
        let (Some(memory), Some(at)) = (memory, Reference::read(&reference)) else {
            return Ok(());
        };
        let RecordState::Found(mut record) = store.read(image) else {
            return Ok(());
        };
        let is_its = record.key == *pushed.key && record.artifact.reference == reference;
        if !is_its || self.0.lock().contains(&at.host) {
            return Ok(());
        }
        notes.step(0, 0, "leaving its record in the registry");
        if let Some(digest) = pushed.digest {
            digest.clone_into(&mut record.artifact.digest);
        }
        record.stored = BTreeSet::from([StoreKind::Registry]);
        let inputs = view.prints.inputs(id, &world.recipes[id.index()]);
        let (record_text, inputs_text) = record.texts(&inputs);
        let memo = Memo {
            image,
            reference: &reference,
            digest: pushed.digest,
            key: &pushed.key.to_string(),
            finished: &record.finished,
            record: &record_text,
            inputs: &inputs_text,
        };
        match memory.remember(&memo, cancel) {
            Err(why) if self.0.lock().insert(at.host.clone()) => Err(format!(
                "records of builds are not left in the registry `{}`: {why}; the images are there, but other machines will not know \
                 what changed since (`IMGSPEC_REMOTE_RECORDS=0` does without)",
                at.host
            )),
            _ => Ok(()),
        }
    }
}

/// Who builds, if that is said: one short line.
pub(super) fn built_by() -> Option<String> {
    let said = std::env::var(BUILT_BY).ok()?;
    let said: String = clean(&said).trim().chars().take(LONGEST_NAME).collect();
    Some(said).filter(|said| !said.is_empty())
}
