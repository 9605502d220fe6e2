//! The content of one file: read once, hashed, with a mark by which a later change is cheap to see.
//!
//! Knows paths on disk only. The choices made: files are read, never mapped (a mapped file that an editor truncates kills
//! the process); a link put in the file's place meanwhile is not followed and a pipe not waited for.

use std::cell::RefCell;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// How much is read at once; files up to this size are hashed in one go.
const CHUNK: usize = 128 * 1024;

/// File systems keep times to two seconds at worst: a file that was written just before it was read may be written again
/// under the same times.
const COARSEST_CLOCK: i64 = 2;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What a file held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// Whether anyone may execute it.
    pub(super) executable: bool,
    /// Size in bytes.
    pub(super) size: u64,
    /// blake3 of the bytes.
    pub(super) digest: [u8; 32],
    /// The file's state while it was read.
    pub(super) mark: Mark,
}

/// The state of a file as the operating system tells it without reading the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    device: u64,
    inode: u64,
    mode: u32,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    fn new(meta: &Metadata) -> Self {
        Self {
            device: meta.dev(),
            inode: meta.ino(),
            mode: meta.mode(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// The mark of what is there now.
    pub(super) fn now(at: &Path) -> io::Result<Self> {
        std::fs::symlink_metadata(at).map(|meta| Self::new(&meta))
    }

    /// Whether an equal mark would prove nothing, because the file was written within the clock's grain of this time
    /// (seconds since 1970) at which it was read.
    pub(super) fn is_racy(&self, read: i64) -> bool {
        self.modified.0.max(self.changed.0) + COARSEST_CLOCK >= read
    }
}

/// Why a file has no content.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is not what it was when its folder was listed, or changed while it was read.
    Moved,
    /// The operating system refuses.
    Refused(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        let replaced = error
            .raw_os_error()
            .is_some_and(|code| code == rustix::io::Errno::LOOP.raw_os_error());
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => Self::Moved,
            _ if replaced => Self::Moved,
            _ => Self::Refused(error),
        }
    }
}

/// Hashes a file.
pub(super) fn hash(at: &Path) -> Result<Content, Trouble> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK, 0);
        let (file, before) = open(at)?;
        let (size, digest) = digest(&file, before.size, buffer)?;
        finish(&file, before, size, digest)
    })
}

/// Hashes a file and keeps its bytes.
pub(super) fn load(at: &Path) -> Result<(Content, Vec<u8>), Trouble> {
    let (mut file, before) = open(at)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let digest = *blake3::hash(&bytes).as_bytes();
    finish(&file, before, bytes.len() as u64, digest).map(|content| (content, bytes))
}

fn open(at: &Path) -> Result<(File, Mark), Trouble> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(at)?;
    let meta = file.metadata()?;
    if meta.is_file() {
        Ok((file, Mark::new(&meta)))
    } else {
        Err(Trouble::Moved)
    }
}

/// Hashes what is left of a file; `expected` is its size, which saves asking for more after the last byte of a small file.
fn digest(file: &File, expected: u64, buffer: &mut [u8]) -> io::Result<(u64, [u8; 32])> {
    let mut filled = fill(file, buffer, expected)?;
    if filled < buffer.len() {
        return Ok((filled as u64, *blake3::hash(&buffer[..filled]).as_bytes()));
    }
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    // A file that grows as fast as it is read has an end here too.
    while filled > 0 && size <= expected {
        hasher.update(&buffer[..filled]);
        size += filled as u64;
        filled = fill(file, buffer, expected.saturating_sub(size))?;
    }
    Ok((size, *hasher.finalize().as_bytes()))
}

/// Reads until the buffer is full, the file ends, or as much is read as was expected.
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

fn finish(file: &File, before: Mark, size: u64, digest: [u8; 32]) -> Result<Content, Trouble> {
    let after = Mark::new(&file.metadata()?);
    if after != before || size != after.size {
        return Err(Trouble::Moved);
    }
    Ok(Content {
        executable: after.mode & 0o111 != 0,
        size,
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
        let at = folder.path().join("file");
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let bytes: Vec<u8> = (0..size).map(|at| at.to_le_bytes()[0]).collect();
            std::fs::write(&at, &bytes).unwrap();
            let content = hash(&at).unwrap();
            assert_eq!(content.digest, *blake3::hash(&bytes).as_bytes(), "{size}");
            assert_eq!(content.size, size as u64);
            assert_eq!(load(&at).unwrap(), (content, bytes));
        }
    }

    #[test]
    fn a_link_or_a_folder_in_the_files_place_means_that_it_moved() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(hash(&link), Err(Trouble::Moved)));
        assert!(matches!(hash(folder.path()), Err(Trouble::Moved)));
        assert!(matches!(
            hash(&folder.path().join("no")),
            Err(Trouble::Moved)
        ));
    }
}
