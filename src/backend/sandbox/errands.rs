//! What only somebody with all ids of a user namespace can do with a directory: give files to their owners, and remove files of others. The
//! half that runs inside.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Uid, XattrFlags,
    chmod, chownat, fstat, openat, openat2, renameat_with, setxattr, unlinkat,
};
use rustix::io::Errno;

use super::frames::receive_bytes;
use super::plan::{At, Errand, Trouble};

/// The attribute with capabilities of a program.
const CAPABILITY: &str = "security.capability";

/// The length of the numbers before the path of an entry: user, group and mode.
pub(super) const NUMBERS: usize = 12;

/// Does it, as the root of a user namespace. Returns the first path whose owner the namespace does not have.
pub(super) fn run(
    wire: &mut UnixStream,
    directory: &Path,
    errand: Errand,
) -> Result<Option<String>, Trouble> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(CWD, directory, flags, Mode::empty()).at("open a directory")?;
    match errand {
        Errand::Give => give_all(wire, &directory).at("give files to their owners"),
        Errand::Empty => empty(&directory).at("remove files").map(|()| None),
    }
}

/// Each entry is its numbers and path, then its capability, which may be empty. An empty one is the end.
fn give_all(wire: &mut UnixStream, directory: &OwnedFd) -> io::Result<Option<String>> {
    let mut left = None;
    loop {
        let entry = receive_bytes(wire)?;
        let Some((numbers, path)) = entry.split_at_checked(NUMBERS) else {
            return Ok(left);
        };
        let capability = receive_bytes(wire)?;
        let path = Path::new(OsStr::from_bytes(path));
        if !give(directory, numbers, path, &capability)? {
            left.get_or_insert_with(|| path.to_string_lossy().into_owned());
        }
    }
}

/// Gives one entry to its owner; `false` if there is no such id here.
fn give(directory: &OwnedFd, numbers: &[u8], path: &Path, capability: &[u8]) -> io::Result<bool> {
    let mut numbers = numbers.chunks_exact(4).map(|number| {
        let number = number.try_into().expect("four bytes each");
        u32::from_le_bytes(number)
    });
    let mut next = || numbers.next().unwrap_or_default();
    let (uid, gid, mode) = (next(), next(), next());
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    // The entry itself may be a link, which these flags open.
    let file = openat2(directory, path, flags, Mode::empty(), inside)?;
    let is_link = FileType::from_raw_mode(fstat(&file)?.st_mode) == FileType::Symlink;
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    match chownat(&file, "", uid, gid, AtFlags::EMPTY_PATH) {
        Err(Errno::INVAL) => return Ok(false),
        given => given?,
    }
    if !is_link {
        // What a handle that cannot read leads to, which is no link.
        let own = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        chmod(&own, Mode::from_raw_mode(mode))?;
        if !capability.is_empty() {
            setxattr(&own, CAPABILITY, capability, XattrFlags::empty())?;
        }
    }
    Ok(true)
}

/// Removes everything in a directory, however deep: what is not empty is moved to the top first.
fn empty(top: &OwnedFd) -> io::Result<()> {
    let mut number = 0u64;
    loop {
        let names = names(top)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            if is_removed(top, &name)? {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = openat(top, &name, flags, Mode::empty())?;
            for name in self::names(&below)? {
                while !is_removed(&below, &name)? {
                    number += 1;
                    let aside = format!("{number}");
                    match renameat_with(&below, &name, top, &aside, RenameFlags::NOREPLACE) {
                        Ok(()) => break,
                        Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            unlinkat(top, &name, AtFlags::REMOVEDIR)?;
        }
    }
}

/// Removes a file or an empty directory; `false` if it is a directory with something in it.
fn is_removed(above: &OwnedFd, name: &OsStr) -> io::Result<bool> {
    match unlinkat(above.as_fd(), name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    match unlinkat(above.as_fd(), name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn names(directory: &OwnedFd) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
