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

use rustix::fs::{AtFlags, CWD, OFlags, Timespec, Timestamps, utimensat};

use super::BuildError;
use crate::fingerprint::{Entry, EntryKind, Files};

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

/// Empties a folder, or makes it.
///
/// # Errors
/// When it cannot be emptied or made.
pub fn empty(folder: &Path) -> Result<(), BuildError> {
    match fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unwritable(folder, &error)),
    }
    fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))
}

/// The error of a path of ours that cannot be written: the disk is full, the folder is somebody else's.
pub fn unwritable(path: &Path, error: &io::Error) -> BuildError {
    BuildError::Failed(format!("cannot write `{}`: {error}", path.display()))
}

/// The folders that entries are in, outermost first: of a set of requirements files none is listed.
fn folders(files: &Files) -> Vec<&str> {
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
    let first_day = UNIX_EPOCH + Duration::from_secs(FIRST_DAY);
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
    let next = AtomicUsize::new(0);
    let first: Mutex<Option<(usize, BuildError)>> = Mutex::new(None);
    let work = || {
        let mut buffer = vec![0; CHUNK];
        while let Some((at, entry)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            files.entries.get(at).map(|entry| (at, entry))
        } {
            if let Err(error) = copy_one(files, entry, to, &mut buffer) {
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

fn copy_one(files: &Files, entry: &Entry, to: &Path, buffer: &mut [u8]) -> Result<(), BuildError> {
    let target = to.join(&entry.path);
    let source = files.folder.join(&entry.path);
    let moved = || BuildError::Moved {
        path: place(files, entry),
    };
    match &entry.kind {
        EntryKind::Folder => Ok(()),
        EntryKind::Link { target: text } => {
            if !fs::read_link(&source).is_ok_and(|now| now == Path::new(text)) {
                return Err(moved());
            }
            copy_link(text, &target).map_err(|error| unwritable(&target, &error))
        }
        EntryKind::File { .. } => {
            // Single files and requirements may be links that the hashing followed; in folders links are entries.
            let follow = files.single || files.main.is_some();
            let source = open(&source, follow).map_err(|_| moved())?;
            match copy_file(source, entry, &target, buffer) {
                Ok(true) => Ok(()),
                Ok(false) | Err(Trouble::Read) => Err(moved()),
                Err(Trouble::Write(error)) => Err(unwritable(&target, &error)),
            }
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

fn open(path: &Path, follow: bool) -> io::Result<File> {
    // A pipe put in the file's place is not waited for.
    let mut flags = OFlags::NONBLOCK;
    if !follow {
        flags |= OFlags::NOFOLLOW;
    }
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

enum Trouble {
    Read,
    Write(io::Error),
}

/// Copies a file and says whether it was what it should be.
fn copy_file(
    mut source: File,
    entry: &Entry,
    target: &Path,
    buffer: &mut [u8],
) -> Result<bool, Trouble> {
    let EntryKind::File {
        executable,
        size,
        digest,
    } = &entry.kind
    else {
        return Ok(false);
    };
    let meta = source.metadata().map_err(|_| Trouble::Read)?;
    let may_run = meta.permissions().mode() & 0o111 != 0;
    if !meta.is_file() || meta.len() != *size || may_run != *executable {
        return Ok(false);
    }
    let mode = if *executable { 0o755 } else { 0o644 };
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(target)
        .map_err(Trouble::Write)?;
    let mut hash = blake3::Hasher::new();
    let mut copied = 0;
    loop {
        let count = match source.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Err(Trouble::Read),
        };
        hash.update(&buffer[..count]);
        copy.write_all(&buffer[..count]).map_err(Trouble::Write)?;
        copied += count as u64;
    }
    if copied != *size || hash.finalize().as_bytes() != digest {
        return Ok(false);
    }
    // Whatever the umask is.
    copy.set_permissions(Permissions::from_mode(mode))
        .and_then(|()| copy.set_modified(time_of(digest)))
        .map_err(Trouble::Write)?;
    Ok(true)
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

/// A time that tells contents apart: within 194 days after 1980-01-01, to a billionth of a second.
///
/// `BuildKit` takes files of equal name, size and time for equal (moby/buildkit#2592), and Python keeps compiled files by
/// whole seconds: both see a change that keeps the size.
fn time_of(digest: &[u8; 32]) -> SystemTime {
    let word = |at: usize| {
        let bytes = [digest[at], digest[at + 1], digest[at + 2], digest[at + 3]];
        u32::from_le_bytes(bytes)
    };
    let seconds = u64::from(word(0) & 0x00ff_ffff);
    UNIX_EPOCH + Duration::new(FIRST_DAY + seconds, word(4) % 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn file(path: &str, content: &str, executable: bool) -> Entry {
        Entry {
            path: path.into(),
            kind: EntryKind::File {
                executable,
                size: content.len() as u64,
                digest: *blake3::hash(content.as_bytes()).as_bytes(),
            },
        }
    }

    fn link(path: &str, target: &str) -> Entry {
        Entry {
            path: path.into(),
            kind: EntryKind::Link {
                target: target.into(),
            },
        }
    }

    fn folder(path: &str) -> Entry {
        Entry {
            path: path.into(),
            kind: EntryKind::Folder,
        }
    }

    /// A folder on disk with `bin/run` (executable), `a.txt` and a link, and what hashing it gives.
    fn sample(at: &Path) -> Files {
        fs::create_dir_all(at.join("bin")).unwrap();
        fs::create_dir_all(at.join("empty")).unwrap();
        fs::write(at.join("a.txt"), "alpha").unwrap();
        fs::write(at.join("bin/run"), "#!/bin/sh").unwrap();
        fs::set_permissions(at.join("bin/run"), Permissions::from_mode(0o711)).unwrap();
        symlink("a.txt", at.join("link")).unwrap();
        let entries = vec![
            file("a.txt", "alpha", false),
            folder("bin"),
            file("bin/run", "#!/bin/sh", true),
            folder("empty"),
            link("link", "a.txt"),
        ];
        Files::new(at.to_owned(), false, None, entries)
    }

    #[test]
    fn the_copy_has_the_contents_and_plain_modes() {
        let dir = tempfile::tempdir().unwrap();
        let files = sample(&dir.path().join("source"));
        let to = dir.path().join("to");
        stage(&files, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("a.txt")).unwrap(), "alpha");
        let mode = |path: &str| fs::symlink_metadata(to.join(path)).unwrap().mode() & 0o7777;
        assert_eq!((mode("a.txt"), mode("bin/run")), (0o644, 0o755));
        assert_eq!((mode("bin"), mode("empty")), (0o755, 0o755));
        let target = fs::read_link(to.join("link")).unwrap();
        assert_eq!(target, Path::new("a.txt"));
    }

    #[test]
    fn trap_14_equal_contents_have_equal_times_and_others_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        let times = |to: &str| {
            let to = dir.path().join(to);
            let meta = |path: &str| fs::symlink_metadata(to.join(path)).unwrap();
            ["a.txt", "bin/run", "bin", "link", ""].map(|path| {
                let meta = meta(path);
                (meta.mtime(), meta.mtime_nsec())
            })
        };
        let mut files = sample(&source);
        stage(&files, &dir.path().join("one")).unwrap();
        stage(&files, &dir.path().join("two")).unwrap();
        assert_eq!(times("one"), times("two"));
        fs::write(source.join("a.txt"), "alphb").unwrap();
        files.entries[0] = file("a.txt", "alphb", false);
        stage(&files, &dir.path().join("three")).unwrap();
        assert_ne!(times("one")[0], times("three")[0]);
        assert_eq!(times("one")[1..], times("three")[1..]);
    }

    #[test]
    fn trap_15_whatever_is_not_what_was_hashed_is_noticed() {
        type Spoil = fn(&Path);
        let spoil: [(&str, Spoil); 6] = [
            ("a.txt", |at| fs::write(at.join("a.txt"), "alphx").unwrap()),
            ("a.txt", |at| fs::write(at.join("a.txt"), "longer").unwrap()),
            ("a.txt", |at| fs::remove_file(at.join("a.txt")).unwrap()),
            ("a.txt", |at| {
                fs::rename(at.join("a.txt"), at.join("b.txt")).unwrap();
                symlink("b.txt", at.join("a.txt")).unwrap();
            }),
            ("bin/run", |at| {
                let plain = Permissions::from_mode(0o644);
                fs::set_permissions(at.join("bin/run"), plain).unwrap();
            }),
            ("link", |at| {
                fs::remove_file(at.join("link")).unwrap();
                symlink("bin", at.join("link")).unwrap();
            }),
        ];
        for (path, spoil) in spoil {
            let dir = tempfile::tempdir().unwrap();
            let source = dir.path().join("source");
            let mut files = sample(&source);
            files.place = "services/x".into();
            spoil(&source);
            let moved = BuildError::Moved {
                path: format!("services/x/{path}"),
            };
            assert_eq!(stage(&files, &dir.path().join("to")), Err(moved));
        }
    }

    #[test]
    fn a_single_file_may_be_a_link_and_requirements_need_no_listed_folders() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("deep")).unwrap();
        fs::write(dir.path().join("deep/real"), "x").unwrap();
        symlink("deep/real", dir.path().join("name")).unwrap();
        let single = Files::new(
            dir.path().into(),
            true,
            None,
            vec![file("name", "x", false)],
        );
        stage(&single, &dir.path().join("one")).unwrap();
        assert!(
            fs::symlink_metadata(dir.path().join("one/name"))
                .unwrap()
                .is_file()
        );
        let entries = vec![file("deep/real", "x", false)];
        let set = Files::new(dir.path().into(), false, Some("deep/real".into()), entries);
        stage(&set, &dir.path().join("two")).unwrap();
        assert!(dir.path().join("two/deep/real").is_file());
    }

    #[test]
    fn many_files_are_copied_by_several_threads() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::create_dir(&source).unwrap();
        let entries = (0..500).map(|at| {
            let (name, content) = (format!("f{at:03}"), format!("content {at}"));
            fs::write(source.join(&name), &content).unwrap();
            file(&name, &content, false)
        });
        let files = Files::new(source.clone(), false, None, entries.collect());
        stage(&files, &dir.path().join("to")).unwrap();
        assert_eq!(fs::read_dir(dir.path().join("to")).unwrap().count(), 500);
    }
}
