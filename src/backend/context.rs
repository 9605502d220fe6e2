//! Copies file sets into a directory for a builder, and verifies while copying that they match what was hashed.
//!
//! Independent of any builder. The copy is what is sent, so a file that changes later has no effect; modes are reduced
//! to whether a file is executable; times are derived from the content. See `docs/design/context.md`. Copies are
//! written through directory handles; commands that accept only a path get one once the copy is complete.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use rustix::fs::Timespec;

use super::{BuildError, Job};
use crate::disk::dir::{Dir, Rooted, Terms};
use crate::disk::system_words;
use crate::fingerprint::{Entry, EntryKind, Files};
use crate::workspace::STATE_FOLDER;
use source::FileSetReader;
pub(super) use source::{NotSent, Verified};

mod source;

/// 1980-01-01 in Unix time, the earliest date that a zip archive (a wheel) can express.
const FIRST_DAY: u64 = 315_532_800;

/// The modification time of directories and links.
const FIRST_TIME: Timespec = Timespec {
    tv_sec: FIRST_DAY.cast_signed(),
    tv_nsec: 0,
};

const CHUNK: usize = 256 * 1024;

/// Maximum number of copying threads; more would only wait for the disk.
const MOST_THREADS: usize = 8;

/// Number of files per copying thread: fewer are copied faster than a thread is started.
const FEW: usize = 64;

/// Copies the files of a set into a new directory.
///
/// # Errors
///
/// Fails with [`BuildError::Moved`] if a file differs from what was hashed.
pub fn stage(files: &Files, to: &Path) -> Result<(), BuildError> {
    stage_in(files, &ours(to).make().map_err(unwritten)?)
}

pub(super) fn stage_in(files: &Files, to: &Dir) -> Result<(), BuildError> {
    to.set_mode(0o755).map_err(unwritten)?;
    make_folders(files, to).map_err(unwritten)?;
    copy_all(files, to)?;
    // Done last, because every new file changes its directory's time.
    finish_folders(files, to).map_err(unwritten)
}

/// Location of a path of imgspec's own: below the state directory of a workspace, where no component may be a link, or
/// else below its parent directory.
pub(super) fn ours(path: &Path) -> Rooted {
    let state = path.iter().collect::<Vec<_>>();
    let state = state.iter().rposition(|part| *part == STATE_FOLDER);
    let above: PathBuf = match state {
        Some(at) => path.iter().take(at).collect(),
        None => path.parent().unwrap_or(path).to_owned(),
    };
    let terms = Terms {
        keeps: "its state",
        hidden: state.map(|_| above.clone()),
        ..Terms::default()
    };
    let below = path.strip_prefix(&above).unwrap_or(Path::new(""));
    Rooted::new(&above, below, terms)
}

/// Opens a directory of the user's for writing; creates it if it does not exist.
pub(super) fn theirs(path: &Path) -> Result<Dir, BuildError> {
    let terms = Terms {
        keeps: "what it writes",
        ..Terms::default()
    };
    Rooted::new(path, "", terms).make().map_err(unwritten)
}

pub(super) fn scratch(job: &Job<'_>) -> Result<Dir, BuildError> {
    let own = ours(&job.scratch);
    match own.split() {
        Some((above, name)) => empty(&above.make().map_err(unwritten)?, name),
        None => own.make().map_err(unwritten),
    }
}

/// Removes the job's scratch directory: what remains in it would be a copy of the user's files.
pub(super) fn drop_scratch(job: &Job<'_>) {
    if let Some((above, name)) = ours(&job.scratch).split()
        && let Ok(Some(above)) = above.open()
    {
        let _ = above.remove(name);
    }
}

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

/// Creates a new, empty directory in another one, replacing any previous content.
pub(super) fn empty(above: &Dir, name: impl AsRef<std::ffi::OsStr>) -> Result<Dir, BuildError> {
    let name = name.as_ref();
    let emptied = above.remove(name).and_then(|()| above.make(name));
    emptied.map_err(unwritten)
}

/// The error for a file of imgspec's own that cannot be written: the disk is full, or the directory belongs to someone
/// else.
#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
pub(super) fn unwritten(error: io::Error) -> BuildError {
    BuildError::Failed(system_words(&error))
}

/// The directories that contain the entries, outermost first; derived from the paths, since sets of requirements files
/// list none.
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

fn make_folders(files: &Files, to: &Dir) -> io::Result<()> {
    let mut folders = folders(files).into_iter();
    // Regardless of the umask.
    folders.try_for_each(|folder| to.make_all(folder)?.set_mode(0o755))
}

fn finish_folders(files: &Files, to: &Dir) -> io::Result<()> {
    for folder in folders(files).into_iter().rev() {
        to.make_all(folder)?.set_time(FIRST_TIME)?;
    }
    to.set_time(FIRST_TIME)
}

/// Copies with threads of its own, because they mostly wait for the disk.
fn copy_all(files: &Files, to: &Dir) -> Result<(), BuildError> {
    let source = open(files)?;
    let next = AtomicUsize::new(0);
    let first: Mutex<Option<(usize, BuildError)>> = Mutex::new(None);
    let work = || {
        let mut buffer = vec![0; CHUNK];
        let mut target = Target { to, last: None };
        while let Some((at, entry)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            files.entries.get(at).map(|entry| (at, entry))
        } {
            if let Err(error) = copy_one(&source, files, entry, &mut target, &mut buffer) {
                let mut first = first.lock();
                // Report the first failure in path order, whichever thread found it first; no further files are
                // started.
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
    let first = first.into_inner();
    first.map_or(Ok(()), |(_, error)| Err(error))
}

/// The target of a copying thread; consecutive entries are mostly in the same directory.
struct Target<'a> {
    to: &'a Dir,
    last: Option<(&'a str, Dir)>,
}

impl<'a> Target<'a> {
    /// Returns the directory of an entry, and its name there.
    fn of(&mut self, path: &'a str) -> io::Result<(&Dir, &'a str)> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if self.last.as_ref().is_none_or(|(last, _)| *last != above) {
            self.last = Some((above, self.to.make_all(above)?));
        }
        let (_, folder) = self.last.as_ref().expect("it was set above");
        Ok((folder, name))
    }
}

fn copy_one<'a>(
    source: &FileSetReader,
    files: &Files,
    entry: &'a Entry,
    target: &mut Target<'a>,
    buffer: &mut [u8],
) -> Result<(), BuildError> {
    if entry.kind == EntryKind::Folder {
        return Ok(());
    }
    let (folder, name) = target.of(&entry.path).map_err(unwritten)?;
    if let EntryKind::Link { target: text } = &entry.kind {
        if !source.is_link_to(entry, text) {
            return Err(moved(files, entry));
        }
        return folder.link(name, text, FIRST_TIME).map_err(unwritten);
    }
    copy_file(source, entry, (folder, name), buffer).map_err(|not_sent| match not_sent {
        NotSent::Moved => moved(files, entry),
        NotSent::Untaken(error) => unwritten(folder.unwritten(name, error)),
    })
}

/// The path of an entry relative to the workspace root.
pub(super) fn place(files: &Files, entry: &Entry) -> String {
    if files.place.is_empty() {
        entry.path.clone()
    } else {
        format!("{}/{}", files.place, entry.path)
    }
}

pub(super) fn moved(files: &Files, entry: &Entry) -> BuildError {
    let path = place(files, entry);
    BuildError::Moved { path }
}

/// Passes the content of a file to `give` in pieces; only if this succeeds do they match the hashed file.
pub(super) fn send(
    files: &Files,
    entry: &Entry,
    give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), NotSent> {
    FileSetReader::open(files)?.pass_on(entry, &mut vec![0; piece(entry)], give)
}

/// Opens a file of a set; reading to its end verifies that it matches what was hashed.
pub(super) fn verified(files: &Files, entry: &Entry) -> Result<Verified, BuildError> {
    let file = open(files)?.file(entry);
    file.and_then(|file| Verified::new(file, entry))
        .map_err(|_| moved(files, entry))
}

/// Opens a file of a set, to look what it is; nothing says that it matches what was hashed.
pub(super) fn opened(files: &Files, entry: &Entry) -> Result<std::fs::File, BuildError> {
    let file = open(files)?.file(entry);
    file.map_err(|_| moved(files, entry))
}

/// Verifies that the files of a set match what was hashed, as a builder that receives them does.
pub fn verify(files: &Files) -> Result<(), BuildError> {
    send_all(files, &mut |_| Ok(()))
}

/// Passes the contents of all files of a set to `give`, as a builder receives them, and verifies that they match what
/// was hashed. Fails with [`BuildError::Cancelled`] if `give` fails.
pub(super) fn send_all(
    files: &Files,
    give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), BuildError> {
    let source = open(files)?;
    let mut buffer = vec![0; CHUNK];
    let mut entries = files.entries.iter();
    entries.try_for_each(|entry| send_one(&source, files, entry, &mut buffer, give))
}

/// Opens a set for reading; a set that no longer exists counts as moved.
fn open(files: &Files) -> Result<FileSetReader, BuildError> {
    FileSetReader::open(files).map_err(|_| BuildError::Moved {
        path: files.place.clone(),
    })
}

/// Passes the content of one entry to `give`, and verifies that it matches what was hashed, also for a link. Fails with
/// [`BuildError::Cancelled`] if `give` fails.
pub(super) fn send_entry(
    files: &Files,
    entry: &Entry,
    give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), BuildError> {
    send_one(
        &open(files)?,
        files,
        entry,
        &mut vec![0; piece(entry)],
        give,
    )
}

fn send_one(
    source: &FileSetReader,
    files: &Files,
    entry: &Entry,
    buffer: &mut [u8],
    give: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), BuildError> {
    let sent = match &entry.kind {
        EntryKind::Folder => Ok(()),
        EntryKind::Link { target } if source.is_link_to(entry, target) => Ok(()),
        EntryKind::Link { .. } => Err(NotSent::Moved),
        EntryKind::File { .. } => source.pass_on(entry, buffer, give),
    };
    sent.map_err(|not_sent| match not_sent {
        NotSent::Moved => moved(files, entry),
        NotSent::Untaken(_) => BuildError::Cancelled,
    })
}

/// Size of the read buffer for a file: for a small file one byte more than its size, to notice if the file has grown.
fn piece(entry: &Entry) -> usize {
    match &entry.kind {
        EntryKind::File { size, .. } => {
            usize::try_from(*size).map_or(CHUNK, |size| CHUNK.min(size + 1))
        }
        _ => 0,
    }
}

fn copy_file(
    source: &FileSetReader,
    entry: &Entry,
    (folder, name): (&Dir, &str),
    buffer: &mut [u8],
) -> Result<(), NotSent> {
    let EntryKind::File {
        executable, digest, ..
    } = &entry.kind
    else {
        return Err(NotSent::Moved);
    };
    let file = source.file(entry)?;
    let mode = if *executable { 0o755 } else { 0o644 };
    let copy = folder.create(name, mode).map_err(NotSent::Untaken)?;
    let mut copy = copy.ok_or_else(|| NotSent::Untaken(io::ErrorKind::AlreadyExists.into()))?;
    source::pass_on(file, entry, buffer, &mut |piece| copy.write_all(piece))?;
    // Regardless of the umask.
    copy.set_permissions(Permissions::from_mode(mode))
        .and_then(|()| copy.set_modified(time_of(digest)))
        .map_err(NotSent::Untaken)
}

pub(super) fn first_day() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(FIRST_DAY)
}

/// A modification time derived from the content: within 194 days after 1980-01-01, with nanoseconds.
///
/// `BuildKit` takes files of equal name, size and time for equal (moby/buildkit#2592), and Python checks compiled files
/// by whole seconds: both notice a change that preserves the size.
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
