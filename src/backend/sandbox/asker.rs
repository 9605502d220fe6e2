//! A thread that waits for an answer: what it asks with, and the files that it means by its paths.
//!
//! The process that answers has files open that the program must not reach, and the system lets it follow its own links in `/proc` to
//! them. So no path of the program is resolved through such a link: those that lead to the program's own files are followed by number.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, fstat, fstatfs, openat, openat2,
    readlinkat, stat,
};
use rustix::io::Errno;

/// The longest path that the system takes, in bytes.
const LONGEST: usize = 4096;

/// How many links of one path the system follows.
const MOST_LINKS: usize = 40;

/// The length of what memory is read in.
const PAGE: usize = 4096;

/// The path by which this process reaches what it has open.
pub(super) fn link_of(file: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// The path of an open file, without a leading slash.
pub(super) fn path_of(file: &OwnedFd) -> Result<PathBuf, Errno> {
    let path = readlinkat(CWD, link_of(file), Vec::new())?;
    let path = path.as_bytes().strip_prefix(b"/").unwrap_or_default();
    Ok(OsStr::from_bytes(path).into())
}

/// A thread that waits for an answer, by number.
pub(super) struct Asker(u32);

impl Asker {
    pub(super) fn new(thread: u32) -> Self {
        Self(thread)
    }

    fn of(&self, what: &str) -> PathBuf {
        format!("/proc/{}/{what}", self.0).into()
    }

    /// A line of what the system says about it.
    fn status(&self, name: &str) -> Result<String, Errno> {
        let text = fs::read_to_string(self.of("status")).map_err(|_| Errno::SRCH)?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.unwrap_or_default().trim().to_owned())
    }

    /// Whether its effective user is root.
    pub(super) fn is_root(&self) -> Result<bool, Errno> {
        let ids = self.status("Uid:")?;
        Ok(ids.split_whitespace().nth(1) == Some("0"))
    }

    pub(super) fn umask(&self) -> Result<u32, Errno> {
        Ok(u32::from_str_radix(&self.status("Umask:")?, 8).unwrap_or(0o022))
    }

    /// A text in its memory, which ends with a zero.
    pub(super) fn text(&self, address: u64) -> Result<Vec<u8>, Errno> {
        let memory = File::open(self.of("mem")).map_err(|_| Errno::FAULT)?;
        let mut text = Vec::new();
        let mut piece = [0; PAGE];
        while text.len() < LONGEST {
            let at = address + text.len() as u64;
            // What follows this page need not be there.
            let most = PAGE - usize::try_from(at).unwrap_or_default() % PAGE;
            let read = memory.read_at(&mut piece[..most], at);
            let read = match read.map_err(|_| Errno::FAULT)? {
                0 => return Err(Errno::FAULT),
                read => &piece[..read],
            };
            if let Some(end) = read.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&read[..end]);
                return Ok(text);
            }
            text.extend_from_slice(read);
        }
        Err(Errno::NAMETOOLONG)
    }

    /// A file that it has open.
    pub(super) fn opened(&self, number: i32) -> Result<OwnedFd, Errno> {
        let file = open_path(&self.of(&format!("fd/{number}")), OFlags::empty());
        file.map_err(|error| match error {
            Errno::NOENT => Errno::BADF,
            error => error,
        })
    }

    /// What a path leads to for it.
    pub(super) fn found(&self, at: i32, path: &[u8], flags: i32) -> Result<OwnedFd, Errno> {
        let base = || match at {
            libc::AT_FDCWD => open_path(&self.of("cwd"), OFlags::empty()),
            number => self.opened(number),
        };
        if path.is_empty() {
            let may = flags & libc::AT_EMPTY_PATH != 0;
            return if may { base() } else { Err(Errno::NOENT) };
        }
        let follows = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
        let is_absolute = path.starts_with(b"/");
        let own = stat("/")?;
        let root = stat(self.of("root"))?;
        if (own.st_dev, own.st_ino) == (root.st_dev, root.st_ino) {
            let mut how = OFlags::PATH | OFlags::CLOEXEC;
            how.set(OFlags::NOFOLLOW, !follows);
            let path = OsStr::from_bytes(path);
            let find = |from: BorrowedFd<'_>| {
                openat2(from, path, how, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
            };
            let found = if is_absolute {
                find(CWD)
            } else {
                find(base()?.as_fd())
            };
            if !matches!(found, Err(Errno::LOOP)) {
                return found;
            }
        }
        let root = open_path(&self.of("root"), OFlags::DIRECTORY)?;
        let from = if is_absolute { copy(&root) } else { base() };
        self.walked(&root, from?, path, follows)
    }

    /// The same name by name, for a thread with a root of its own and for links in `/proc`.
    fn walked(
        &self,
        root: &OwnedFd,
        from: OwnedFd,
        path: &[u8],
        follows: bool,
    ) -> Result<OwnedFd, Errno> {
        let mut here = from;
        let mut links = 0;
        // The next one is at the end.
        let mut names = names(path);
        while let Some(name) = names.pop() {
            if name == ".." && is_same(&here, root)? {
                continue;
            }
            let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let next = openat(&here, &name, how, Mode::empty())?;
            let is_link = FileType::from_raw_mode(fstat(&next)?.st_mode) == FileType::Symlink;
            if !is_link || (names.is_empty() && !follows) {
                here = next;
                continue;
            }
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP);
            }
            let leads = match self.own(&here, &name)? {
                Link::File(file) => {
                    here = file;
                    continue;
                }
                Link::Text(text) => text,
                Link::Plain => readlinkat(&next, "", Vec::new())?.into_bytes(),
            };
            if leads.starts_with(b"/") {
                here = copy(root)?;
            }
            names.extend(self::names(&leads));
        }
        Ok(here)
    }

    /// Where a link in `/proc` leads this thread; to files of other processes it leads nobody.
    fn own(&self, above: &OwnedFd, name: &OsStr) -> Result<Link, Errno> {
        if fstatfs(above)?.f_type != PROC_SUPER_MAGIC {
            return Ok(Link::Plain);
        }
        let process = self.status("Tgid:")?;
        let own = PathBuf::from("proc").join(&process);
        let name = name.to_str().unwrap_or_default();
        match name {
            "self" => return Ok(Link::Text(process.into_bytes())),
            "thread-self" => {
                return Ok(Link::Text(
                    format!("{process}/task/{}", self.0).into_bytes(),
                ));
            }
            "mounts" | "net" => return Ok(Link::Plain),
            _ => {}
        }
        let path = path_of(above)?;
        let of_thread = own.join("task").join(self.0.to_string());
        let inside = path.strip_prefix(of_thread).or(path.strip_prefix(own));
        match inside.map(Path::to_str) {
            Ok(Some("fd")) => {
                let number = name.parse().map_err(|_| Errno::NOENT)?;
                self.opened(number).map(Link::File)
            }
            Ok(Some("")) if ["cwd", "root"].contains(&name) => {
                open_path(&self.of(name), OFlags::empty()).map(Link::File)
            }
            _ => Err(Errno::ACCESS),
        }
    }
}

/// What a link is.
enum Link {
    /// One that says where it leads.
    Plain,
    /// One that says it to each process differently.
    Text(Vec<u8>),
    /// One to an open file.
    File(OwnedFd),
}

/// The names of a path, the last one first. With a slash at its end it has to be a directory.
fn names(path: &[u8]) -> Vec<OsString> {
    let ends = path.ends_with(b"/").then_some(&b"."[..]);
    let all = path.split(|byte| *byte == b'/').filter(|it| !it.is_empty());
    let all = all.chain(ends).map(|it| OsString::from_vec(it.to_vec()));
    let mut all: Vec<OsString> = all.collect();
    all.reverse();
    all
}

fn copy(file: &OwnedFd) -> Result<OwnedFd, Errno> {
    file.try_clone().map_err(|_| Errno::MFILE)
}

fn is_same(one: &OwnedFd, other: &OwnedFd) -> Result<bool, Errno> {
    let (one, other) = (fstat(one)?, fstat(other)?);
    Ok((one.st_dev, one.st_ino) == (other.st_dev, other.st_ino))
}

fn open_path(path: &Path, more: OFlags) -> Result<OwnedFd, Errno> {
    openat(
        CWD,
        path,
        OFlags::PATH | OFlags::CLOEXEC | more,
        Mode::empty(),
    )
}
