//! Tells what the files that a program left cannot say themselves: whose they are, and which are devices.
//!
//! Files of subordinate ids could neither be read nor removed outside of the user namespace. So the sandbox, which has all these ids,
//! gives every entry of `upper` to its root, which outside is the user.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode as FileMode, OFlags, Stat, Uid, XattrFlags, chmodat, chownat,
    fchmod, fgetxattr, fsetxattr, openat, statat,
};
use rustix::io::Errno;

use super::plan::{Device, Mode, Owner};
use super::witness::{self, Wishes};

/// How deep directories may be: each level keeps one open.
const DEEPEST: usize = 400;

/// The attribute with capabilities of a program, which the kernel removes when an owner changes.
const CAPABILITY: &str = "security.capability";

/// What is to be known of the entries of `upper`, by absolute path inside.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) owners: Vec<Owner>,
    pub(super) devices: Vec<Device>,
}

/// Reads it from what is below `upper` and from what was asked, and hands everything over where it has several owners.
pub(super) fn tell(upper: &OwnedFd, mode: Mode, wishes: &Wishes) -> io::Result<Told> {
    let hands_over = matches!(mode, Mode::Subordinate { .. });
    if !hands_over && wishes.is_empty() {
        return Ok(Told::default());
    }
    read(upper, hands_over, wishes)
}

fn read(upper: &OwnedFd, hands_over: bool, wishes: &Wishes) -> io::Result<Told> {
    let mut told = Told::default();
    // A handle that was opened to find it only cannot list it.
    let upper = open_directory(upper.as_fd(), OsStr::new("."))?;
    let mut walk = Walk {
        hands_over,
        wishes,
        given: HashMap::new(),
        told: &mut told,
    };
    walk.directory(&upper, Path::new("/"), 0)?;
    Ok(told)
}

/// Gives a directory and everything in it to 0:0, and opens it to everyone inside.
pub(super) fn take_back(directory: &OwnedFd) -> io::Result<()> {
    let name = OsStr::new(".");
    let owner = (Some(Uid::ROOT), Some(Gid::ROOT));
    chownat(directory, name, owner.0, owner.1, AtFlags::empty())?;
    chmodat(
        directory,
        name,
        FileMode::from_raw_mode(0o755),
        AtFlags::empty(),
    )?;
    read(directory, true, &Wishes::new()).map(drop)
}

fn open_directory(parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, FileMode::empty())
}

struct Walk<'a> {
    hands_over: bool,
    wishes: &'a Wishes,
    /// The owners of files with several names, by number, once they have been handed over.
    given: HashMap<(u64, u64), (u32, u32)>,
    told: &'a mut Told,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &OwnedFd, path: &Path, depth: usize) -> io::Result<()> {
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
                self.directory(&below, &path, depth + 1)?;
            }
            self.entry(directory, name, path, &stat)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        above: &OwnedFd,
        name: &OsStr,
        path: PathBuf,
        stat: &Stat,
    ) -> io::Result<()> {
        // Names that are not text are refused by whoever reads them.
        let is_text = path.to_str().is_some();
        if !self.wishes.is_empty() {
            let key = witness::key(above.as_fd(), Path::new(name))?;
            if let Some(wish) = self.wishes.get(&key).filter(|_| is_text) {
                if (wish.uid, wish.gid) != (None, None) {
                    self.told.owners.push((path.clone(), wish.uid, wish.gid));
                }
                if let Some((is_block, major, minor)) = wish.device {
                    let device = (path.clone(), is_block, major, minor);
                    self.told.devices.push(device);
                }
            }
        }
        if !self.hands_over {
            return Ok(());
        }
        let number = (stat.st_dev, stat.st_ino);
        let owner = self.given.get(&number).copied();
        let (uid, gid) = owner.unwrap_or((stat.st_uid, stat.st_gid));
        if (uid, gid) == (0, 0) {
            return Ok(());
        }
        if owner.is_none() {
            let mode = FileMode::from_raw_mode(stat.st_mode);
            let kind = FileType::from_raw_mode(stat.st_mode);
            give(above.as_fd(), name, kind, mode)?;
        }
        if has_names(stat) {
            self.given.insert(number, (uid, gid));
        }
        if is_text {
            self.told.owners.push((path, Some(uid), Some(gid)));
        }
        Ok(())
    }
}

/// Whether it may have other names. Directories have one, but are linked to from below.
fn has_names(stat: &Stat) -> bool {
    stat.st_nlink > 1 && FileType::from_raw_mode(stat.st_mode) != FileType::Directory
}

/// Gives one entry to 0:0 and keeps what the kernel takes away with that: set-user-id bits and capabilities.
fn give(parent: BorrowedFd<'_>, name: &OsStr, kind: FileType, mode: FileMode) -> io::Result<()> {
    let file = if kind == FileType::RegularFile {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Some(File::from(openat(parent, name, flags, FileMode::empty())?))
    } else {
        None
    };
    let capability = file.as_ref().and_then(capability);
    let (uid, gid) = (Some(Uid::ROOT), Some(Gid::ROOT));
    chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
    // Only files have such bits. By its handle, for by its name it could be a link by now.
    let Some(file) = file else { return Ok(()) };
    fchmod(&file, mode)?;
    if let Some(capability) = capability {
        fsetxattr(&file, CAPABILITY, &capability, XattrFlags::empty())?;
    }
    Ok(())
}

fn capability(file: &File) -> Option<Vec<u8>> {
    let mut value = vec![0; 64];
    let length = fgetxattr(file, CAPABILITY, &mut value).ok()?;
    value.truncate(length);
    Some(value)
}
