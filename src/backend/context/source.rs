//! Where the files of a set are read from when they are sent: by handle, below the directory that they were hashed in.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::disk::read::{Links, Refusal, Root};
use crate::fingerprint::{Entry, Files};

/// The directory of a set, opened.
pub(super) struct Source {
    root: Root,
    /// The directory that the entries' paths are relative to, from the root.
    folder: PathBuf,
    links: Links,
}

impl Source {
    pub(super) fn open(files: &Files) -> Result<Self, Refusal> {
        let (root, folder) = files.home();
        // Single files and requirements may be links that the hashing followed; in directories links are entries.
        let follow = files.single || files.linked || files.main.is_some();
        Ok(Self {
            root: Root::open(root)?,
            folder: folder.to_owned(),
            links: if follow { Links::Follow } else { Links::Refuse },
        })
    }

    pub(super) fn file(&self, entry: &Entry) -> Result<File, Refusal> {
        let path = self.folder.join(&entry.path);
        self.root.file(&path, self.links).map(|(file, _)| file)
    }

    pub(super) fn is_link_to(&self, entry: &Entry, target: &str) -> bool {
        let now = self.root.link(&self.folder.join(&entry.path));
        now.is_ok_and(|now| now == Path::new(target))
    }
}
