//! Answers the system calls of a program that need more ids or rights than it has, and remembers what they asked for: owners of files,
//! with a single id, and device files. The files themselves stay the user's; what was asked is told with them.
//!
//! A file is known by its number in `upper` and the time it was made, since numbers are used again. What a program sees does not change: it
//! still finds its own id on every file, and an empty file where it made a device.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode as FileMode, OFlags, ResolveFlags, StatxFlags, Uid, chownat,
    getxattr, major, minor, mknodat, openat, openat2, statx,
};
use rustix::io::Errno;

use super::asker::{Asker, link_of, path_of};
use super::passing::{pass, take};
use super::plan::Ids;
use super::sys::{self, Call};

/// The attribute by which overlayfs knows what it has copied.
const ORIGIN: &str = "user.overlay.origin";

/// What tells a file from all others in `upper`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    device: (u32, u32),
    number: u64,
    made: (i64, u32),
}

/// What a program asked for a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    /// Whether it is a block device, and its numbers.
    pub(super) device: Option<(bool, u32, u32)>,
}

/// What was asked, by file.
pub(super) type Wishes = HashMap<Key, Wish>;

/// What tells this file from others; an empty name is the handle's own file.
pub(super) fn key(directory: BorrowedFd<'_>, name: &Path) -> Result<Key, Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    let found = statx(directory, name, flags, StatxFlags::INO | StatxFlags::BTIME)?;
    let made = if found.stx_mask & StatxFlags::BTIME.bits() == 0 {
        (0, 0)
    } else {
        (found.stx_btime.tv_sec, found.stx_btime.tv_nsec)
    };
    Ok(Key {
        device: (found.stx_dev_major, found.stx_dev_minor),
        number: found.stx_ino,
        made,
    })
}

/// Hands the file with the waiting calls of a program to whoever answers them.
pub(super) fn hand_in(wire: &UnixStream, listener: &OwnedFd) -> io::Result<()> {
    pass(wire, b"f", &[listener.as_fd()])
}

/// One that answers on a thread of its own, until the last process that asks is gone.
pub(super) struct Witness(JoinHandle<io::Result<Wishes>>);

impl Witness {
    /// Starts it; `user` is whose all files are.
    pub(super) fn start(wire: UnixStream, upper: OwnedFd, user: &Ids) -> io::Result<Self> {
        let own = (user.uid, user.gid);
        let answering = thread::Builder::new().spawn(move || {
            let (_, mut files) = take(&wire, &mut [0])?;
            let Some(listener) = files.pop() else {
                return Ok(Wishes::new());
            };
            let mut desk = Desk {
                upper,
                own,
                mount: mount_of(CWD, Path::new("/"))?,
                wishes: Wishes::new(),
            };
            desk.serve(&listener)?;
            Ok(desk.wishes)
        });
        Ok(Self(answering?))
    }

    /// What was asked, once nobody asks any more.
    pub(super) fn end(self) -> io::Result<Wishes> {
        let ended = self.0.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("what answers system calls failed")))
    }
}

fn mount_of(directory: BorrowedFd<'_>, name: &Path) -> Result<u64, Errno> {
    let flags = AtFlags::EMPTY_PATH;
    Ok(statx(directory, name, flags, StatxFlags::MNT_ID)?.stx_mnt_id)
}

struct Desk {
    upper: OwnedFd,
    own: (u32, u32),
    /// The number of the root's mount.
    mount: u64,
    wishes: Wishes,
}

impl Desk {
    fn serve(&mut self, listener: &OwnedFd) -> io::Result<()> {
        loop {
            let mut asked = [PollFd::new(listener, PollFlags::IN)];
            match poll(&mut asked, None) {
                Err(Errno::INTR) => continue,
                polled => polled?,
            };
            if !asked[0].revents().contains(PollFlags::IN) {
                return Ok(());
            }
            if let Some(call) = sys::next_call(listener.as_fd())? {
                let error = self.answer(&call).err().map_or(0, Errno::raw_os_error);
                sys::answer(listener.as_fd(), &call, error)?;
            }
        }
    }

    fn answer(&mut self, call: &Call) -> Result<(), Errno> {
        let [first, second, third, fourth, fifth, _] = call.arguments;
        let asker = Asker::new(call.thread);
        let here = libc::AT_FDCWD;
        let nofollow = libc::AT_SYMLINK_NOFOLLOW;
        match call.number {
            libc::SYS_fchown => {
                let file = asker.opened(word(first))?;
                self.give(&asker, &file, word_of(second), word_of(third))
            }
            libc::SYS_fchownat => {
                let flags = word(fifth);
                if flags & !(nofollow | libc::AT_EMPTY_PATH) != 0 {
                    return Err(Errno::INVAL);
                }
                let file = asker.found(word(first), &asker.text(second)?, flags)?;
                self.give(&asker, &file, word_of(third), word_of(fourth))
            }
            libc::SYS_mknodat => {
                self.device(&asker, word(first), &asker.text(second)?, third, fourth)
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_chown => {
                let file = asker.found(here, &asker.text(first)?, 0)?;
                self.give(&asker, &file, word_of(second), word_of(third))
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lchown => {
                let file = asker.found(here, &asker.text(first)?, nofollow)?;
                self.give(&asker, &file, word_of(second), word_of(third))
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mknod => self.device(&asker, here, &asker.text(first)?, second, third),
            _ => Err(Errno::NOSYS),
        }
    }

    /// Answers a change of an owner.
    fn give(&mut self, asker: &Asker, file: &OwnedFd, uid: u32, gid: u32) -> Result<(), Errno> {
        let wanted = |id: u32| (id != u32::MAX).then_some(id);
        let (uid, gid) = (wanted(uid), wanted(gid));
        let is_own = |id: Option<u32>, own: u32| id.is_none_or(|id| id == own);
        let changes_nothing = is_own(uid, self.own.0) && is_own(gid, self.own.1);
        if !changes_nothing && !asker.is_root()? {
            return Err(Errno::PERM);
        }
        if mount_of(file.as_fd(), Path::new(""))? != self.mount {
            // It does not become part of the image.
            return Ok(());
        }
        let is_of_layer = self.is_of_layer(file)?;
        // So the file is in `upper`, and loses the rights that it loses with any new owner.
        let own = (Uid::from_raw(self.own.0), Gid::from_raw(self.own.1));
        let none = AtFlags::EMPTY_PATH;
        chownat(file, "", uid.map(|_| own.0), gid.map(|_| own.1), none)?;
        let shown = self.own;
        // Who gives a new file to the own id may have read it from another file, which shows nothing else: that is no wish.
        let add = |wish: &mut Option<u32>, asked: Option<u32>, own: u32| {
            if is_of_layer || wish.is_some() || asked != Some(own) {
                *wish = asked.or(*wish);
            }
        };
        self.note(file, |wish| {
            add(&mut wish.uid, uid, shown.0);
            add(&mut wish.gid, gid, shown.1);
        })
    }

    /// Whether a file is one of the image, changed or not.
    fn is_of_layer(&self, file: &OwnedFd) -> Result<bool, Errno> {
        let Some(changed) = self.changed(&path_of(file)?)? else {
            return Ok(true);
        };
        // Overlayfs notes it with what it copies.
        let copied = getxattr(link_of(&changed), ORIGIN, &mut [0u8; 512]);
        Ok(matches!(copied, Ok(_) | Err(Errno::RANGE)))
    }

    /// What `upper` has at a path; `None` if it has nothing there. The program may put links in the path meanwhile.
    fn changed(&self, path: &Path) -> Result<Option<OwnedFd>, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(&self.upper, path, flags, FileMode::empty(), inside) {
            Ok(file) => Ok(Some(file)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes an empty file where a device is asked for.
    fn device(
        &mut self,
        asker: &Asker,
        at: i32,
        path: &[u8],
        mode: u64,
        device: u64,
    ) -> Result<(), Errno> {
        let device = u64::from(word_of(device));
        let numbers = (major(device), minor(device));
        let mode = word_of(mode);
        let is_block = FileType::from_raw_mode(mode) == FileType::BlockDevice;
        // Overlayfs keeps these numbers for itself, and refuses them to root, too.
        if !asker.is_root()? || (!is_block && numbers == (0, 0)) {
            return Err(Errno::PERM);
        }
        let split = path.iter().rposition(|byte| *byte == b'/');
        let (above, name) = match split {
            Some(0) => (&b"/"[..], &path[1..]),
            Some(split) => (&path[..split], &path[split + 1..]),
            None => (&b"."[..], path),
        };
        let above = asker.found(at, above, 0)?;
        // Elsewhere it would not become part of the image, and what is elsewhere is not for the program to fill by this.
        if mount_of(above.as_fd(), Path::new(""))? != self.mount {
            return Err(Errno::PERM);
        }
        let mode = FileMode::from_raw_mode(mode & 0o7777 & !asker.umask()?);
        mknodat(&above, name, FileType::RegularFile, mode, 0)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&above, name, flags, FileMode::empty())?;
        let device = Some((is_block, numbers.0, numbers.1));
        self.note(&file, |wish| wish.device = device)
    }

    /// Remembers something about a file that is in `upper`.
    fn note(&mut self, file: &OwnedFd, change: impl FnOnce(&mut Wish)) -> Result<(), Errno> {
        let path = path_of(file)?;
        if path.as_os_str().is_empty() {
            // The root itself is no entry of a layer.
            return Ok(());
        }
        // Without a name it is in no layer.
        if let Some(changed) = self.changed(&path)? {
            let key = key(changed.as_fd(), Path::new(""))?;
            change(self.wishes.entry(key).or_default());
        }
        Ok(())
    }
}

fn word(argument: u64) -> i32 {
    word_of(argument).cast_signed()
}

/// The half of an argument that counts where the call takes 32 bits.
fn word_of(argument: u64) -> u32 {
    u32::try_from(argument & u64::from(u32::MAX)).unwrap_or_default()
}
