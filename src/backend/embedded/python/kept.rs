//! Which wheels a step wanted last, or were built of sources: a note of the store, named by everything that decides it, so that the
//! same question is not asked twice.

use serde::{Deserialize, Serialize};

use super::{Wheel, address};
use crate::backend::BuildError;
use crate::backend::embedded::common::stored;
use crate::backend::embedded::made::Key;
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::Store;

/// The version of how the wheels of a step are found; part of the names of notes.
const FORMAT: &str = "wanted 2";

/// What the names of these notes begin with.
pub(in super::super) const WANTED: &str = "wanted-";

#[derive(Serialize, Deserialize)]
struct KeptWheel {
    name: String,
    version: String,
    file: String,
    url: String,
    sha256: String,
    size: Option<u64>,
    is_requested: bool,
}

/// All that decides what is wanted.
#[derive(Debug)]
pub(in super::super) struct Question(Key);

impl Question {
    pub(in super::super) fn new(kind: &str) -> Self {
        let mut key = Key::default();
        key.text(FORMAT);
        key.text(kind);
        Self(key)
    }

    /// Adds values.
    pub(in super::super) fn add<T: AsRef<[u8]>>(&mut self, values: impl IntoIterator<Item = T>) {
        let values: Vec<T> = values.into_iter().collect();
        self.0.number(values.len() as u64);
        for value in values {
            self.0.text(value);
        }
    }

    /// The name of the note with the answer.
    pub(in super::super) fn name(&self) -> String {
        self.0.named(WANTED)
    }

    /// The answer that was kept. A damaged one counts as none.
    pub(in super::super) fn known(&self, store: &Store) -> Result<Option<Vec<Wheel>>, BuildError> {
        let note = store.note(&self.name()).map_err(stored)?;
        Ok(note.and_then(|note| read(&note)))
    }

    pub(in super::super) fn keep(&self, wheels: &[Wheel], store: &Store) -> Result<(), BuildError> {
        let kept: Vec<KeptWheel> = wheels.iter().map(KeptWheel::of).collect();
        let text = serde_json::to_vec(&kept).expect("texts and numbers are JSON");
        store.keep_note(&self.name(), &text).map_err(stored)
    }
}

/// The wheels of a note.
pub(in super::super) fn read(note: &[u8]) -> Option<Vec<Wheel>> {
    let kept: Vec<KeptWheel> = serde_json::from_slice(note).ok()?;
    kept.into_iter().map(KeptWheel::wheel).collect()
}

impl KeptWheel {
    fn of(wheel: &Wheel) -> Self {
        Self {
            name: wheel.name.clone(),
            version: wheel.version.clone(),
            file: wheel.file.clone(),
            url: wheel.url.clone(),
            sha256: wheel.sha256.to_string(),
            size: wheel.size,
            is_requested: wheel.is_requested,
        }
    }

    fn wheel(self) -> Option<Wheel> {
        address::read(&self.url).ok()?;
        Some(Wheel {
            sha256: Digest::read(&self.sha256)?,
            name: self.name,
            version: self.version,
            file: self.file,
            url: self.url,
            size: self.size,
            is_requested: self.is_requested,
        })
    }
}
