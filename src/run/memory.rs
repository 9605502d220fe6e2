//! Leaves the records of pushed images in their registries, for machines that have none of their own.
//!
//! A record is worth less than its image: what keeps one from being written is a warning, once for each registry, which is then left
//! alone for the rest of the run.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::backend::oci::reference::Reference;
use crate::backend::{Keeping, Memo, Notes, StoreKind};
use crate::cancel::Cancel;
use crate::clean::clean;
use crate::fingerprint::{Input, Key};
use crate::graph::ImageId;
use crate::store::{LONGEST_NAME, Record, RecordState, Store};
use crate::world::View;

/// Who builds, for records.
const BUILT_BY: &str = "IMGSPEC_BUILT_BY";

/// The registries that take no records in this run.
#[derive(Default)]
pub(crate) struct Records(Mutex<BTreeSet<String>>);

/// An image that is being pushed.
pub(super) struct Pushing<'a> {
    pub(super) view: &'a View,
    pub(super) id: ImageId,
    pub(super) key: &'a Key,
    pub(super) store: &'a Store,
}

/// The record of an image that is being pushed.
pub(super) struct Leaving<'a> {
    records: &'a Records,
    image: &'a str,
    key: String,
    host: String,
    record: Box<Record>,
    inputs: Vec<Input>,
    keeping: Keeping<'a>,
}

impl Records {
    /// The record to leave, if it is known how the image was built, and if its registry takes records.
    pub(super) fn of<'a>(
        &'a self,
        pushing: &Pushing<'a>,
        cancel: &'a Cancel,
    ) -> Option<Leaving<'a>> {
        let Pushing {
            view, id, store, ..
        } = *pushing;
        let world = &view.world;
        let (image, reference) = (view.name(id), view.reference(id));
        let memory = world.backends[id.index()].memory()?;
        let at = Reference::read(&reference)?;
        let RecordState::Found(mut record) = store.read(image) else {
            return None;
        };
        let is_its = record.key == *pushing.key && record.artifact.reference == reference;
        if !is_its || self.0.lock().contains(&at.host) {
            return None;
        }
        record.stored = BTreeSet::from([StoreKind::Registry]);
        Some(Leaving {
            records: self,
            image,
            key: pushing.key.to_string(),
            keeping: memory.keeping(&at, cancel),
            host: at.host,
            record,
            inputs: view.prints.inputs(id, &world.recipes[id.index()]),
        })
    }
}

impl<'a> Leaving<'a> {
    /// Sends what is known of the record while its image, which will have this digest, is still on its way.
    pub(super) fn prepare(&mut self, digest: &str) {
        self.with(Some(digest), Keeping::prepare);
    }

    /// Leaves the record of the image, which has this digest in the registry, if that is known. Returns the warning to show, if
    /// any.
    pub(super) fn finish(mut self, digest: Option<&str>, notes: &dyn Notes) -> Result<(), String> {
        notes.step(0, 0, "leaving its record in the registry");
        match self.with(digest, Keeping::finish) {
            Err(why) if self.records.0.lock().insert(self.host.clone()) => Err(format!(
                "records of builds are not left in the registry `{}`: {why}; the images are there, but other machines will not know \
                 what changed since (`IMGSPEC_REMOTE_RECORDS=0` does without)",
                self.host
            )),
            _ => Ok(()),
        }
    }

    fn with<T>(
        &mut self,
        digest: Option<&str>,
        use_it: impl FnOnce(&Keeping<'a>, &Memo<'_>) -> T,
    ) -> T {
        if let Some(digest) = digest {
            digest.clone_into(&mut self.record.artifact.digest);
        }
        let (record, inputs) = self.record.texts(&self.inputs);
        let memo = Memo {
            image: self.image,
            digest,
            key: &self.key,
            finished: &self.record.finished,
            record: &record,
            inputs: &inputs,
        };
        use_it(&self.keeping, &memo)
    }
}

/// Who builds, if that is said: one short line.
pub(super) fn built_by() -> Option<String> {
    let said = std::env::var(BUILT_BY).ok()?;
    let said: String = clean(&said).trim().chars().take(LONGEST_NAME).collect();
    Some(said).filter(|said| !said.is_empty())
}
