//! Copies file sets into a folder that a builder is given, and proves while copying that they are what was hashed.
//!
//! Knows no builder. The choices made: what is sent is the copy, so a file that changes afterwards changes nothing; modes
//! are reduced to whether a file may be executed; times are made of the content. See `docs/design/context.md`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::BuildError;
use crate::disk::system_words;
use crate::fingerprint::{Entry, EntryKind, Files};
use source::Source;

mod source;

/// 1980-01-01, the first day that a zip archive (a wheel) can express.
const FIRST_DAY: u64 = 315_532_800;

/// How much of a large file is read at once.
const CHUNK: usize = 256 * 1024;

/// More threads than this only wait for the disk.
const MOST_THREADS: usize = 8;

/// Fewer files than this are copied faster than threads are started.
const FEW: usize = 64;

/// Copies the files of a set into a new folder.
///
/// # Errors
/// [`BuildError::Moved`] when a file is not what was hashed; otherwise when the folder cannot be written.
pub fn stage(files: &Files, to: &Path) -> Result<(), BuildError> {
    make_folder(to).map_err(|error| unwritable(to, &error))?;
    make_folders(files, to)?;
    copy_all(files, to)?;
    // Last, because every new file changes its folder's time.
    finish_folders(files, to)
}

/// The text of a set that is one file.
///
/// # Errors
/// [`BuildError::Moved`] when it is not what was hashed.
pub(super) fn text(files: &Files) -> Result<String, BuildError> {
    text_of(files, &files.entries[0])
}

/// The text of a file of a set.
///
/// # Errors
/// [`BuildError::Moved`] when it is not what was hashed.
pub(super) fn text_of(files: &Files, entry: &Entry) -> Result<String, BuildError> {
    let mut bytes = Vec::new();
    let mut take = |part: &[u8]| {
        bytes.extend_from_slice(part);
        Ok(())
    };
    send(files, entry, &mut take).map_err(|_| BuildError::Moved {
        path: place(files, entry),
    })?;
    String::from_utf8(bytes)
        .map_err(|_| BuildError::Failed(format!("`{}` is not UTF-8 text", place(files, entry))))
}

/// Empties a folder, or makes it.
///
/// # Errors
/// When it cannot be emptied or made.
pub(super) fn empty(folder: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unwritable(folder, &error)),
    }
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))
}

/// The error of a path of ours that cannot be written: the disk is full, the folder is somebody else's.
pub(super) fn unwritable(path: &Path, error: &io::Error) -> BuildError {
    BuildError::Failed(format!(
        "cannot write `{}`: {}",
        path.display(),
        system_words(error)
    ))
}

/// The folders that entries are in, outermost first: of a set of requirements files none is listed.
pub(super) fn folders(files: &Files) -> Vec<&str> {
    let mut folders: Vec<&str> = files
        .entries
        .iter()
        .flat_map(|entry| {
            let own = matches!(entry.kind, EntryKind::Folder).then_some(entry.path.as_str());
            let above = entry
                .path
                .match_indices('/')
                .map(|(at, _)| &entry.path[..at]);
            above.chain(own)
        })
        .collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

fn make_folders(files: &Files, to: &Path) -> Result<(), BuildError> {
    for folder in folders(files) {
        let path = to.join(folder);
        make_folder(&path).map_err(|error| unwritable(&path, &error))?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    // Whatever the umask is.
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

fn finish_folders(files: &Files, to: &Path) -> Result<(), BuildError> {
    let first_day = first_day();
    let below = folders(files).into_iter().rev().map(|path| to.join(path));
    for folder in below.chain([to.to_owned()]) {
        File::open(&folder)
            .and_then(|open| open.set_modified(first_day))
            .map_err(|error| unwritable(&folder, &error))?;
    }
    Ok(())
}

/// Copies with threads of its own: a worker of a pool that waits for its pool takes up another image's build meanwhile.
fn copy_all(files: &Files, to: &Path) -> Result<(), BuildError> {
    let source = open(files)?;
    let next = AtomicUsize::new(0);
    let first: Mutex<Option<(usize, BuildError)>> = Mutex::new(None);
    let work = || {
        let mut buffer = vec![0; CHUNK];
        while let Some((at, entry)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            files.entries.get(at).map(|entry| (at, entry))
        } {
            if let Err(error) = copy_one(&source, files, entry, to, &mut buffer) {
                let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                // The first in path order, whichever thread was first; nobody begins another.
                if first.as_ref().is_none_or(|(earlier, _)| at < *earlier) {
                    *first = Some((at, error));
                }
                next.store(files.entries.len(), Ordering::Relaxed);
            }
        }
    };
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_THREADS)
        .min(files.entries.len() / FEW + 1);
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    let first = first.into_inner().unwrap_or_else(PoisonError::into_inner);
    first.map_or(Ok(()), |(_, error)| Err(error))
}

fn copy_one(
    source: &Source,
    files: &Files,
    entry: &Entry,
    to: &Path,
    buffer: &mut [u8],
) -> Result<(), BuildError> {
    let target = to.join(&entry.path);
    let moved = || BuildError::Moved {
        path: place(files, entry),
    };
    match &entry.kind {
        EntryKind::Folder => Ok(()),
        EntryKind::Link { target: text } => {
            if !source.is_link_to(entry, text) {
                return Err(moved());
            }
            copy_link(text, &target).map_err(|error| unwritable(&target, &error))
        }
        EntryKind::File { .. } => {
            let copied = source
                .file(entry)
                .map_err(|_| Trouble::Moved)
                .and_then(|source| copy_file(source, entry, &target, buffer));
            copied.map_err(|trouble| match trouble {
                Trouble::Moved => moved(),
                Trouble::Write(error) => unwritable(&target, &error),
            })
        }
    }
}

fn place(files: &Files, entry: &Entry) -> String {
    if files.place.is_empty() {
        entry.path.clone()
    } else {
        format!("{}/{}", files.place, entry.path)
    }
}

/// Where a set is read from; what is not there any more moved.
fn open(files: &Files) -> Result<Source, BuildError> {
    Source::open(files).map_err(|_| BuildError::Moved {
        path: files.place.clone(),
    })
}

enum Trouble {
    /// It is not what was hashed, or cannot be read.
    Moved,
    /// It cannot be passed on.
    Write(io::Error),
}

/// Why a file was not sent.
#[derive(Debug)]
pub(super) enum NotSent {
    /// It is not what was hashed: its path from the workspace root.
    Moved(String),
    /// Whom it was given to did not take it.
    Untaken(io::Error),
}

/// Hands the content of a file of a set on in pieces. What was given was the file that was hashed only if it succeeds.
///
/// # Errors
/// When the file is another one, or a piece is not taken.
pub(super) fn send(
    files: &Files,
    entry: &Entry,
    give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), NotSent> {
    let sent = Source::open(files)
        .and_then(|source| source.file(entry))
        .map_err(|_| Trouble::Moved)
        .and_then(|source| pass_on(source, entry, &mut vec![0; piece(entry)], give));
    sent.map_err(|trouble| match trouble {
        Trouble::Moved => NotSent::Moved(place(files, entry)),
        Trouble::Write(error) => NotSent::Untaken(error),
    })
}

/// Proves that the files of a set are what was hashed, as a builder does that is sent them.
///
/// # Errors
/// [`BuildError::Moved`] for the first that is not.
pub fn verify(files: &Files) -> Result<(), BuildError> {
    send_all(files, &mut |_| Ok(()))
}

/// Hands the contents of all files of a set on, as a builder is sent them, and proves that they are what was hashed.
///
/// # Errors
/// [`BuildError::Moved`] for the first that is not; [`BuildError::Cancelled`] when a piece is not taken.
pub(super) fn send_all(
    files: &Files,
    give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), BuildError> {
    let source = open(files)?;
    let mut buffer = vec![0; CHUNK];
    for entry in &files.entries {
        let sent = match &entry.kind {
            EntryKind::Folder => Ok(()),
            EntryKind::Link { target } if source.is_link_to(entry, target) => Ok(()),
            EntryKind::Link { .. } => Err(Trouble::Moved),
            EntryKind::File { .. } => source
                .file(entry)
                .map_err(|_| Trouble::Moved)
                .and_then(|file| pass_on(file, entry, &mut buffer, give)),
        };
        sent.map_err(|trouble| match trouble {
            Trouble::Moved => BuildError::Moved {
                path: place(files, entry),
            },
            Trouble::Write(_) => BuildError::Cancelled,
        })?;
    }
    Ok(())
}

/// How much of a file is read at once; one byte more than a small one has shows that it has no more.
fn piece(entry: &Entry) -> usize {
    match &entry.kind {
        EntryKind::File { size, .. } => {
            usize::try_from(*size).map_or(CHUNK, |size| CHUNK.min(size + 1))
        }
        _ => 0,
    }
}

/// Copies a file, if it is what it should be.
fn copy_file(source: File, entry: &Entry, target: &Path, buffer: &mut [u8]) -> Result<(), Trouble> {
    let EntryKind::File {
        executable, digest, ..
    } = &entry.kind
    else {
        return Err(Trouble::Moved);
    };
    let mode = if *executable { 0o755 } else { 0o644 };
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(target)
        .map_err(Trouble::Write)?;
    pass_on(source, entry, buffer, &mut |piece| copy.write_all(piece))?;
    // Whatever the umask is.
    copy.set_permissions(Permissions::from_mode(mode))
        .and_then(|()| copy.set_modified(time_of(digest)))
        .map_err(Trouble::Write)
}

/// Reads a file to its end and hands it on; succeeds only if it was what was hashed.
fn pass_on(
    mut source: File,
    entry: &Entry,
    buffer: &mut [u8],
    give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Trouble> {
    let EntryKind::File {
        executable,
        size,
        digest,
    } = &entry.kind
    else {
        return Err(Trouble::Moved);
    };
    let meta = source.metadata().map_err(|_| Trouble::Moved)?;
    let may_run = meta.permissions().mode() & 0o111 != 0;
    if !meta.is_file() || meta.len() != *size || may_run != *executable {
        return Err(Trouble::Moved);
    }
    let mut hash = blake3::Hasher::new();
    let mut passed = 0;
    loop {
        let count = match source.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(Trouble::Moved),
        };
        hash.update(&buffer[..count]);
        give(&buffer[..count]).map_err(Trouble::Write)?;
        passed += count as u64;
    }
    if passed != *size || hash.finalize().as_bytes() != digest {
        return Err(Trouble::Moved);
    }
    Ok(())
}

fn copy_link(text: &str, target: &Path) -> io::Result<()> {
    symlink(text, target)?;
    let seconds = FIRST_DAY.cast_signed();
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, target, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

/// The time of folders and links.
pub(super) fn first_day() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(FIRST_DAY)
}

/// A time that tells contents apart: within 194 days after 1980-01-01, to a billionth of a second.
///
/// `BuildKit` takes files of equal name, size and time for equal (moby/buildkit#2592), and Python keeps compiled files by
/// whole seconds: both see a change that keeps the size.
pub(super) fn time_of(digest: &[u8; 32]) -> SystemTime {
    let word = |at: usize| {
        let bytes = [digest[at], digest[at + 1], digest[at + 2], digest[at + 3]];
        u32::from_le_bytes(bytes)
    };
    let seconds = u64::from(word(0) & 0x00ff_ffff);
    UNIX_EPOCH + Duration::new(FIRST_DAY + seconds, word(4) % 1_000_000_000)
}

#[cfg(test)]
mod tests;
