//! Whose turn it is to fetch or make something that several builds need, of this process and of others.
//!
//! A lock file per thing, which exists while somebody has the turn: its holder removes it, or, if the holder was killed,
//! whoever opens the store next. Threads exclude each other in the same way, because each opens the file anew.

use std::fs::File;
use std::ops::ControlFlow;

use super::blobs::Store;
use super::error::StoreError;
use crate::disk::dir::{Dir, Share};

/// The turn to make something; ends when it is dropped, or when the process dies.
#[derive(Debug)]
pub(in crate::backend) struct Turn {
    folder: Dir,
    name: String,
    _held: File,
}

impl Store {
    /// Waits for the turn to make the thing of this name; `None` if `waiting`, which is called repeatedly, breaks. When it
    /// is granted, somebody else may have made the thing.
    pub(in crate::backend) fn turn(
        &self,
        name: &str,
        waiting: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Option<Turn>, StoreError> {
        let folder = &self.0.turns;
        let held = folder.lock(name, Share::Nobody, waiting)?;
        Ok(held.map(|held| Turn {
            folder: folder.clone(),
            name: name.to_owned(),
            _held: held,
        }))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Still locked: who waits for this very file notices that it is gone, and tries a new one.
        let _ = self.folder.remove_file(&self.name);
    }
}
