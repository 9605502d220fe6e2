//! Directories that one build works in, such as a layer that is being unpacked. Their files may belong to anybody.
//!
//! A lock file beside each is held by its owner: what a killed process left is removed by whoever opens the store next.

use std::fs::File;
use std::io;

use super::blobs::Store;
use super::error::StoreError;
use super::left::{self, LOCKED};
use crate::disk::dir::{Dir, Share, unused};

/// A directory that is removed when it is dropped.
#[derive(Debug)]
pub(in crate::backend) struct Scratch {
    above: Dir,
    name: String,
    dir: Dir,
    _held: File,
}

impl Store {
    /// An empty directory.
    pub(in crate::backend) fn scratch(&self) -> Result<Scratch, StoreError> {
        let above = &self.0.working;
        loop {
            let name = unused();
            let Some(held) = above.try_lock(&format!("{name}{LOCKED}"), Share::Nobody)? else {
                continue;
            };
            let dir = above.make(&name)?.lent()?;
            return Ok(Scratch {
                above: above.clone(),
                name,
                dir,
                _held: held,
            });
        }
    }
}

impl Scratch {
    pub(in crate::backend) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Gives it a name in another directory; it is not removed then.
    pub(super) fn keep(self, to: &Dir, name: &str) -> io::Result<()> {
        self.above.hand_over(&self.name, to, name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is left for the next process.
        if left::remove(&self.above, &self.name).is_ok() {
            let _ = self.above.remove_file(format!("{}{LOCKED}", self.name));
        }
    }
}
