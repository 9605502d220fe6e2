//! What a program sees besides layers: secrets, cache directories, files and directories of the machine.
//!
//! Each is opened as a detached mount while the machine's root is still there, and attached when it no longer is: so targets are
//! resolved inside, and no link of an image can lead outside.

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Gid, Mode, OFlags, ResolveFlags, Uid, fchmod, fchown, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount,
    open_tree,
};

use super::plan::{At, Kind, Plan, Trouble};
use super::sys;

pub(super) const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
pub(super) const PLAIN: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// How a mount is copied.
const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE.union(OpenTreeFlags::OPEN_TREE_CLOEXEC);

/// Keeps what is mounted here from appearing outside.
pub(super) fn make_private() -> Result<(), Trouble> {
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", flags).at("make mounts private")
}

/// Detached mounts and where they go.
pub(super) struct Sources(Vec<(OwnedFd, String, bool)>);

impl Sources {
    pub(super) fn open(plan: &Plan, secrets: &[Vec<u8>]) -> Result<Self, Trouble> {
        let mut secrets = secrets.iter();
        let mut memory = None;
        let mut found = Vec::new();
        for (number, place) in plan.mounts.iter().enumerate() {
            let target = &place.target;
            let (mount, is_directory) = match &place.kind {
                Kind::Secret { uid } => {
                    let content = secrets.next().map_or(&[][..], Vec::as_slice);
                    let memory = if let Some(memory) = &mut memory {
                        memory
                    } else {
                        // Only root can enter it.
                        let made = self::memory(&plan.work.join("secrets"), "0700", "64m");
                        memory.insert(made.at("make memory for secrets")?)
                    };
                    let file = secret(memory, number, content, *uid);
                    (file.at(format!("write the secret {target}"))?, false)
                }
                Kind::Cache { source } => (clone(source, false, PLAIN, target)?, true),
                Kind::Directory { source } => {
                    (clone(source, false, PLAIN | READ_ONLY, target)?, true)
                }
                Kind::File { source } => (clone(source, false, PLAIN | READ_ONLY, target)?, false),
            };
            found.push((mount, target.clone(), is_directory));
        }
        for file in ["/etc/resolv.conf", "/etc/hosts"] {
            // A machine without network may have neither, and then the image's own stay.
            if Path::new(file).is_file() {
                let mount = clone(Path::new(file), true, PLAIN | READ_ONLY, file)?;
                found.push((mount, file.to_owned(), false));
            }
        }
        Ok(Self(found))
    }

    /// Attaches all of them; what has to be made for that in `upper` is noted.
    pub(super) fn attach(self, made: &mut Vec<OwnedFd>) -> Result<(), Trouble> {
        for (mount, target, is_directory) in self.0 {
            let at = place(Path::new(&target), is_directory, made).at(format!("make {target}"))?;
            attach(mount.as_fd(), at.as_fd()).at(format!("mount {target}"))?;
        }
        Ok(())
    }
}

/// A copy of a mount, attached nowhere. What somebody put a link in the place of is not lent, unless links are expected there.
fn clone(source: &Path, is_link: bool, attributes: u64, target: &str) -> Result<OwnedFd, Trouble> {
    let step = || format!("open {} for {target}", source.display());
    let mount = if is_link {
        open_tree(CWD, source, CLONE).map_err(Into::into)
    } else {
        alone(source)
    };
    let mount = mount.at(step())?;
    sys::set_attributes(mount.as_fd(), attributes, false).at(step())?;
    Ok(mount)
}

/// A file or directory, which must be no link, in a mount of its own that is attached nowhere: `..` does not lead out of it.
pub(super) fn alone(source: &Path) -> io::Result<OwnedFd> {
    if source.is_symlink() {
        return Err(Errno::LOOP.into());
    }
    let flags = CLONE | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    Ok(open_tree(CWD, source, flags)?)
}

/// A file system in memory, attached where nobody outside sees it.
pub(super) fn memory(place: &Path, mode: &str, size: &str) -> io::Result<OwnedFd> {
    fs::create_dir(place)?;
    let memory = fresh("tmpfs", &[("mode", mode), ("size", size)], PLAIN)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(memory.as_fd(), "", CWD, place, flags)?;
    Ok(memory)
}

fn secret(memory: &OwnedFd, number: usize, content: &[u8], uid: u32) -> io::Result<OwnedFd> {
    let name = number.to_string();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = fs::File::from(openat(memory, &name, flags, Mode::RUSR)?);
    file.write_all(content)?;
    fchmod(&file, Mode::RUSR)?;
    if uid != rustix::process::getuid().as_raw() {
        fchown(&file, Some(Uid::from_raw(uid)), None::<Gid>)?;
    }
    drop(file);
    let mount = open_tree(memory, &name, CLONE)?;
    sys::set_attributes(mount.as_fd(), PLAIN | READ_ONLY, false)?;
    Ok(mount)
}

/// A new file system of this kind, attached nowhere.
pub(super) fn fresh(
    kind: &str,
    options: &[(&str, &str)],
    attributes: u64,
) -> Result<OwnedFd, Errno> {
    let system = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (option, value) in options {
        fsconfig_set_string(system.as_fd(), *option, *value)?;
    }
    fsconfig_create(system.as_fd())?;
    let attributes = u32::try_from(attributes).map_err(|_| Errno::INVAL)?;
    let attributes = MountAttrFlags::from_bits_retain(attributes);
    fsmount(system.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Attaches a detached mount.
pub(super) fn attach(mount: BorrowedFd<'_>, at: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", at, "", flags)
}

/// Opens a place to mount something, and makes it if it is not there: behind a link of the image, mostly. What is made is opened, too:
/// where it really is can be read once `/proc` is there.
pub(super) fn place(
    target: &Path,
    is_directory: bool,
    made: &mut Vec<OwnedFd>,
) -> Result<OwnedFd, Errno> {
    match find(target) {
        Err(Errno::NOENT) => {}
        found => return found,
    }
    let mut path = PathBuf::from("/");
    let parts: Vec<Component<'_>> = target.components().collect();
    for (number, part) in parts.iter().enumerate() {
        let Component::Normal(name) = part else {
            continue;
        };
        path.push(name);
        match find(&path) {
            Err(Errno::NOENT) => {}
            found => {
                found?;
                continue;
            }
        }
        // A link that leads nowhere: what it leads to is made.
        if let Ok(leads) = fs::read_link(&path) {
            let leads = normal(&path, &leads);
            place(&leads, is_directory || number + 1 < parts.len(), made)?;
            continue;
        }
        if is_directory || number + 1 < parts.len() {
            rustix::fs::mkdir(&path, Mode::from_raw_mode(0o755))?;
        } else {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::open(&path, flags, Mode::from_raw_mode(0o644))?;
        }
        made.push(find(&path)?);
    }
    find(target)
}

fn find(path: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags | OFlags::DIRECTORY, Mode::empty())?;
    openat2(root, path, flags, Mode::empty(), resolve)
}

/// Where a link leads, without `.` and `..`.
fn normal(link: &Path, leads: &Path) -> PathBuf {
    let mut path = PathBuf::from("/");
    if leads.is_relative() {
        path.push(link.parent().unwrap_or(Path::new("/")));
    }
    for part in leads.components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    path
}
