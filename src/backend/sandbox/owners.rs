//! Hands over what a program made as several users to the user who runs the sandbox, and tells whose it was.
//!
//! Files of subordinate ids could neither be read nor removed outside of the user namespace. So the sandbox, which has all these ids,
//! gives every entry of `upper` to its root, which outside is the user.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, XattrFlags, chmodat, chownat, fgetxattr,
    fsetxattr, openat, statat,
};
use rustix::io::Errno;

/// How deep directories may be: each level keeps one open.
const DEEPEST: usize = 400;

/// The attribute with capabilities of a program, which the kernel removes when an owner changes.
const CAPABILITY: &str = "security.capability";

/// An entry, by absolute path inside, and its user and group.
pub(super) type Owner = (PathBuf, u32, u32);

/// Gives everything below `upper` to 0:0.
pub(super) fn hand_over(upper: &OwnedFd) -> io::Result<Vec<Owner>> {
    let mut owners = Vec::new();
    // A handle that was opened to find it only cannot list it.
    let upper = open_directory(upper.as_fd(), OsStr::new("."))?;
    walk(&upper, Path::new("/"), 0, &mut owners)?;
    Ok(owners)
}

/// Gives a directory and everything in it to 0:0, and opens it to everyone inside.
pub(super) fn take_back(directory: &OwnedFd) -> io::Result<()> {
    let name = OsStr::new(".");
    let owner = (Some(Uid::ROOT), Some(Gid::ROOT));
    chownat(directory, name, owner.0, owner.1, AtFlags::empty())?;
    chmodat(
        directory,
        name,
        Mode::from_raw_mode(0o755),
        AtFlags::empty(),
    )?;
    hand_over(directory).map(drop)
}

fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn walk(directory: &OwnedFd, path: &Path, depth: usize, owners: &mut Vec<Owner>) -> io::Result<()> {
    if depth > DEEPEST {
        let why = format!("directories are more than {DEEPEST} levels deep");
        return Err(io::Error::other(why));
    }
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let path = path.join(name);
        let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            let below = open_directory(directory.as_fd(), name)?;
            walk(&below, &path, depth + 1, owners)?;
        }
        if (stat.st_uid, stat.st_gid) != (0, 0) {
            give(
                directory.as_fd(),
                name,
                kind,
                Mode::from_raw_mode(stat.st_mode),
            )?;
            owners.push((path, stat.st_uid, stat.st_gid));
        }
    }
    Ok(())
}

/// Gives one entry to 0:0 and keeps what the kernel takes away with that: set-user-id bits and capabilities.
fn give(parent: BorrowedFd<'_>, name: &OsStr, kind: FileType, mode: Mode) -> io::Result<()> {
    let file = if kind == FileType::RegularFile {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Some(File::from(openat(parent, name, flags, Mode::empty())?))
    } else {
        None
    };
    let capability = file.as_ref().and_then(capability);
    let (uid, gid) = (Some(Uid::ROOT), Some(Gid::ROOT));
    chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    if kind != FileType::Symlink {
        chmodat(parent, name, mode, AtFlags::empty())?;
    }
    if let (Some(file), Some(capability)) = (&file, capability) {
        fsetxattr(file, CAPABILITY, &capability, XattrFlags::empty())?;
    }
    Ok(())
}

fn capability(file: &File) -> Option<Vec<u8>> {
    let mut value = vec![0; 64];
    let length = fgetxattr(file, CAPABILITY, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}
