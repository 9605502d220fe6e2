//! Reads the files of a set when they are sent: by handle, below the directory in which they were hashed, each hashed
//! again on its way.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::disk::read::{Links, Root};
use crate::fingerprint::{Entry, EntryKind, Files};

/// Why a file was not sent completely.
#[derive(Debug)]
pub(in crate::backend) enum NotSent {
    /// The file differs from what was hashed, or cannot be read.
    Moved,
    /// The receiver failed to take the content.
    Untaken(io::Error),
}

/// Reads the files of a set below the directory in which they were hashed.
pub(super) struct FileSetReader {
    root: Root,
    /// The directory that the entries' paths are relative to, itself relative to the root.
    folder: PathBuf,
    links: Links,
}

impl FileSetReader {
    pub(super) fn open(files: &Files) -> Result<Self, NotSent> {
        let (root, folder) = files.home();
        // Single files and requirements may be links, which hashing followed; in directories links are entries.
        let follow = files.single || files.linked || files.main.is_some();
        Ok(Self {
            root: Root::open(root).map_err(|_| NotSent::Moved)?,
            folder: folder.to_owned(),
            links: if follow { Links::Follow } else { Links::Refuse },
        })
    }

    pub(super) fn file(&self, entry: &Entry) -> Result<File, NotSent> {
        let path = self.folder.join(&entry.path);
        let found = self.root.file(&path, self.links);
        found.map(|(file, _)| file).map_err(|_| NotSent::Moved)
    }

    pub(super) fn pass_on(
        &self,
        entry: &Entry,
        buffer: &mut [u8],
        give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), NotSent> {
        pass_on(self.file(entry)?, entry, buffer, give)
    }

    pub(super) fn is_link_to(&self, entry: &Entry, target: &str) -> bool {
        let now = self.root.link(&self.folder.join(&entry.path));
        now.is_ok_and(|now| now == Path::new(target))
    }
}

/// Reads a file to its end, passing its content on; succeeds only if it matches what was hashed.
pub(super) fn pass_on(
    source: File,
    entry: &Entry,
    buffer: &mut [u8],
    give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), NotSent> {
    let mut source = Verified::new(source, entry)?;
    loop {
        match source.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => give(&buffer[..count]).map_err(NotSent::Untaken)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(NotSent::Moved),
        }
    }
}

/// A file of a set that is verified while it is read: its end is an error unless everything matches what was hashed.
pub(in crate::backend) struct Verified {
    file: File,
    hash: blake3::Hasher,
    passed: u64,
    size: u64,
    digest: [u8; 32],
    is_moved: bool,
}

impl Verified {
    pub(super) fn new(file: File, entry: &Entry) -> Result<Self, NotSent> {
        let EntryKind::File {
            executable,
            size,
            digest,
        } = &entry.kind
        else {
            return Err(NotSent::Moved);
        };
        let meta = file.metadata().map_err(|_| NotSent::Moved)?;
        let may_run = meta.permissions().mode() & 0o111 != 0;
        if !meta.is_file() || meta.len() != *size || may_run != *executable {
            return Err(NotSent::Moved);
        }
        Ok(Self {
            file,
            hash: blake3::Hasher::new(),
            passed: 0,
            size: *size,
            digest: *digest,
            is_moved: false,
        })
    }

    /// Whether reading failed because the file differs from what was hashed, or cannot be read.
    pub(in crate::backend) fn is_moved(&self) -> bool {
        self.is_moved
    }

    fn moved<T>(&mut self) -> io::Result<T> {
        self.is_moved = true;
        Err(io::Error::other("it changed while it was being read"))
    }
}

impl Read for Verified {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            Ok(0) if !buffer.is_empty() => {
                if self.passed != self.size || self.hash.finalize().as_bytes() != &self.digest {
                    return self.moved();
                }
                Ok(0)
            }
            Ok(count) => {
                self.hash.update(&buffer[..count]);
                self.passed += count as u64;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(_) => self.moved(),
        }
    }
}
