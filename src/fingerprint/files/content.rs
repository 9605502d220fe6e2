//! Reads and hashes a file once, and marks its state so that later changes can be detected cheaply.
//!
//! Files are read, never memory-mapped (a mapped file that an editor truncates kills the process). If the file is
//! replaced by a symlink or pipe, this is neither followed nor waited for.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{FilesError, Mention};
use super::mark::Mark;
use crate::disk::FileKind;
use crate::disk::read::{self, Links, Refusal, Root};

/// Size of the read buffer; files up to this size are hashed in one call.
const CHUNK: usize = 128 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A flag that cancels reading. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(super) fn set(&self, stop: bool) {
        self.0.store(stop, Ordering::Relaxed);
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The root to read files from, and the flag that cancels reading.
pub(super) struct Origin {
    pub(super) root: Root,
    pub(super) stop: Stop,
}

/// The state of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// blake3 hash of the bytes.
    pub(super) digest: [u8; 32],
    /// The file's metadata while it was read.
    pub(super) mark: Mark,
}

/// Why a file could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It changed while being read.
    Changed,
    /// It could not be opened, or the operating system failed to read it.
    Refused(Refusal),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Refused(Refusal::System(error))
    }
}

impl From<Refusal> for ReadError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The error for a file named somewhere. Its symlinks were resolved a moment ago, so one that exists now is new.
pub(super) fn unread(path: &str, mention: Option<&Mention>, trouble: ReadError) -> FilesError {
    match trouble {
        ReadError::Changed | ReadError::Refused(Refusal::Kind(FileKind::Link)) => {
            FilesError::Moved { path: path.into() }
        }
        ReadError::Refused(refusal) if refusal.is_absent() => {
            FilesError::Moved { path: path.into() }
        }
        ReadError::Refused(refusal) => FilesError::named(path, mention, refusal),
    }
}

/// Hashes a file, which may not exceed the limit.
pub(super) fn hash(from: &Origin, at: &Path, limit: u64) -> Result<Content, ReadError> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK, 0);
        let (file, meta) = from.root.file(at, Links::Refuse)?;
        read::fits(meta.len(), limit)?;
        let before = Mark::new(&meta);
        let (size, digest) = digest(&file, before.size(), buffer, &from.stop)?;
        finish(&file, before, size, digest)
    })
}

/// Hashes a file and returns its bytes too.
pub(super) fn load(root: &Root, at: &Path, limit: u64) -> Result<(Content, Vec<u8>), ReadError> {
    let (file, meta) = root.file(at, Links::Refuse)?;
    let bytes = read::limited(&file, &meta, limit)?;
    let digest = *blake3::hash(&bytes).as_bytes();
    let content = finish(&file, Mark::new(&meta), bytes.len() as u64, digest)?;
    Ok((content, bytes))
}

/// Hashes the rest of a file; `expected` is its size, which saves one read call at the end of small files.
fn digest(
    file: &File,
    expected: u64,
    buffer: &mut [u8],
    stop: &Stop,
) -> io::Result<(u64, [u8; 32])> {
    let mut filled = fill(file, buffer, expected)?;
    if filled < buffer.len() {
        return Ok((filled as u64, *blake3::hash(&buffer[..filled]).as_bytes()));
    }
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    // The bound also stops at a file that grows as fast as it is read.
    while filled > 0 && size <= expected {
        if stop.is_set() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        hasher.update(&buffer[..filled]);
        size += filled as u64;
        filled = fill(file, buffer, expected.saturating_sub(size))?;
    }
    Ok((size, *hasher.finalize().as_bytes()))
}

/// Reads until the buffer is full, the file ends, or the expected size is reached.
fn fill(mut file: &File, buffer: &mut [u8], expected: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled as u64 == expected {
            break;
        }
    }
    Ok(filled)
}

fn finish(file: &File, before: Mark, size: u64, digest: [u8; 32]) -> Result<Content, ReadError> {
    let after = Mark::new(&file.metadata()?);
    if after != before || size != after.size() {
        return Err(ReadError::Changed);
    }
    Ok(Content {
        digest,
        mark: after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_all_sizes_hash_as_their_bytes_do() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        let stop = Stop::default();
        let from = Origin { root, stop };
        let at = Path::new("file");
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let bytes: Vec<u8> = (0..size).map(|at| at.to_le_bytes()[0]).collect();
            std::fs::write(folder.path().join(at), &bytes).unwrap();
            let content = hash(&from, at, u64::MAX).unwrap();
            assert_eq!(content.digest, *blake3::hash(&bytes).as_bytes(), "{size}");
            assert_eq!(content.mark.size(), size as u64);
            assert!(content.mark.is_still(&from.root, at));
            assert_eq!(load(&from.root, at, u64::MAX).unwrap(), (content, bytes));
        }
    }
}
