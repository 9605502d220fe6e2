//! What a command changed in an image, as a layer: reads the upper directory of an overlay.
//!
//! One pass in the order of names, so that equal changes give equal layers. A directory that was only copied up, because
//! something in it changed, is written when the first of its entries is, and not at all if there are none.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{AtFlags, FileType, SeekFrom, Stat, major, minor, readlinkat, seek, statat};
use rustix::io::Errno;

use super::owner::Owner;
use super::xattrs::{self, Unfit};
use crate::backend::oci::layer::{Entry, EntryKind, Layer, LayerWriter, NodeKind, Xattr};
use crate::backend::oci::store::StoreError;
use crate::backend::oci::tree::Tree;
use crate::disk::dir::Dir;

/// Deeper directories than programs can use by their paths.
const DEEPEST: usize = 256;

/// What is read of a file at once.
const PIECE: usize = 256 << 10;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Why changes cannot be made into a layer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CaptureError {
    /// Only with mounts that are not ours: what is in the directory is not what the command saw.
    #[error("`/{path}` is not whole in its layer: `{attribute}` is set")]
    Incomplete { path: String, attribute: String },
    #[error("the command made a file whose name or target is not UTF-8: `/{0}`")]
    NoText(String),
    #[error("`/{0}` is more than {DEEPEST} directories deep")]
    Deep(String),
    #[error("`/{path}` cannot be read: {error}")]
    Unread { path: String, error: io::Error },
    #[error("`/{0}` changed while it was being read")]
    Moved(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("interrupted")]
    Cancelled,
}

/// The kind and the numbers of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) is_block: bool,
    pub(super) major: u32,
    pub(super) minor: u32,
}

impl From<Device> for EntryKind<'_> {
    fn from(device: Device) -> Self {
        let Device {
            is_block,
            major,
            minor,
        } = device;
        Self::Device {
            is_block,
            major,
            minor,
        }
    }
}

/// How changes are read.
pub(super) struct Capture<'a> {
    /// The image that the command ran in.
    pub(super) below: &'a Tree,
    /// The owner of a path in the image, by the numbers of its file and by the owner that the file had in a layer, if it tells.
    pub(super) owner: &'a dyn Fn(&str, Owner, Option<Owner>) -> Owner,
    /// What exists only as a place to mount something, and the directories that were made for that.
    pub(super) made: &'a HashSet<String>,
    /// Files that stand for devices, which only root can make.
    pub(super) devices: &'a HashMap<String, Device>,
    /// What does not become part of the image, with everything below it.
    pub(super) left_out: &'a [&'a str],
    pub(super) is_cancelled: &'a dyn Fn() -> bool,
}

impl Capture<'_> {
    /// Writes the layer of what is in the upper directory.
    pub(super) fn layer(&self, upper: &Dir, writer: LayerWriter) -> Result<Layer, CaptureError> {
        let mut walk = Walk {
            how: self,
            writer,
            pending: Vec::new(),
            links: HashMap::new(),
        };
        let root = Place {
            dir: upper.clone(),
            path: String::new(),
            is_hidden: false,
        };
        walk.folder(&root, 0)?;
        Ok(walk.writer.finish()?)
    }
}

/// A directory of the upper one.
struct Place {
    dir: Dir,
    path: String,
    /// Whether what the image has in it is hidden.
    is_hidden: bool,
}

impl Place {
    fn below(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.path)
        }
    }
}

/// An entry before it is written.
struct Found {
    path: String,
    mode: u32,
    owner: Owner,
    xattrs: Vec<Xattr>,
}

impl Found {
    fn entry<'a>(&'a self, kind: EntryKind<'a>) -> Entry<'a> {
        Entry {
            path: &self.path,
            kind,
            mode: self.mode,
            uid: self.owner.user,
            gid: self.owner.group,
        }
    }
}

struct Walk<'a> {
    how: &'a Capture<'a>,
    writer: LayerWriter,
    /// The directories above that have not been written: nobody changed them.
    pending: Vec<Found>,
    /// The first path of each file with several names, and its mode, which reading it may have changed.
    links: HashMap<(u64, u64), (String, u32)>,
}

impl Walk<'_> {
    fn folder(&mut self, place: &Place, depth: usize) -> Result<(), CaptureError> {
        if depth > DEEPEST {
            return Err(CaptureError::Deep(place.path.clone()));
        }
        let unread = |error| unread(&place.path, error);
        // `None` for what is gone.
        let mut entries: BTreeMap<String, Option<OsString>> = BTreeMap::new();
        for entry in place.dir.entries().map_err(unread)? {
            let name = text(&entry.name, &place.path)?;
            entries.insert(name, Some(entry.name));
        }
        if place.is_hidden {
            for name in self.how.below.names(&place.path) {
                entries.entry(name.to_owned()).or_insert(None);
            }
        }
        for (name, own) in entries {
            if (self.how.is_cancelled)() {
                return Err(CaptureError::Cancelled);
            }
            let path = place.below(&name);
            if self.how.left_out.contains(&path.as_str()) {
                continue;
            }
            match own {
                Some(own) => self.entry(place, &own, path, depth)?,
                None => self.gone(path)?,
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        place: &Place,
        name: &OsStr,
        path: String,
        depth: usize,
    ) -> Result<(), CaptureError> {
        let system = |error: Errno| unread(&path, error.into());
        let stat = statat(place.dir.handle(), name, AtFlags::SYMLINK_NOFOLLOW).map_err(system)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Directory && self.how.made.contains(&path) {
            return Ok(());
        }
        let (major, minor) = (major(stat.st_rdev), minor(stat.st_rdev));
        if kind == FileType::CharacterDevice && (major, minor) == (0, 0) {
            return self.gone(path);
        }
        let needed = match kind {
            FileType::Directory => 0o500,
            FileType::RegularFile => 0o400,
            _ => 0,
        };
        if stat.st_mode & needed != needed {
            place.dir.unlock(name);
        }
        let (found, is_opaque) = self.found(place, name, path, &stat)?;
        match kind {
            FileType::Directory => self.opened(found, place, name, is_opaque, depth),
            FileType::RegularFile if let Some(device) = self.how.devices.get(&found.path) => {
                self.write(&found, (*device).into())
            }
            FileType::RegularFile => self.file(&found, &place.dir, name, &stat),
            FileType::Symlink => {
                let target = readlinkat(place.dir.handle(), name, Vec::new());
                let target = target.map_err(|error| unread(&found.path, error.into()))?;
                let target = target.into_string();
                let target = target.map_err(|_| CaptureError::NoText(found.path.clone()))?;
                self.write(&found, EntryKind::Link { target: &target })
            }
            FileType::Fifo => self.write(&found, EntryKind::Pipe),
            FileType::CharacterDevice | FileType::BlockDevice => {
                let device = Device {
                    is_block: kind == FileType::BlockDevice,
                    major,
                    minor,
                };
                self.write(&found, device.into())
            }
            // A socket is nothing without the process that made it; no archive has any.
            _ => Ok(()),
        }
    }

    /// What an entry is besides its content, and whether it is a directory that hides what is below it.
    fn found(
        &self,
        place: &Place,
        name: &OsStr,
        path: String,
        stat: &Stat,
    ) -> Result<(Found, bool), CaptureError> {
        let read = xattrs::read(&place.dir, name).map_err(|unfit| match unfit {
            Unfit::Unread(error) => unread(&path, error.into()),
            Unfit::Overlay(attribute) => CaptureError::Incomplete {
                path: path.clone(),
                attribute,
            },
        })?;
        let owner = Owner {
            user: stat.st_uid.into(),
            group: stat.st_gid.into(),
        };
        let found = Found {
            mode: stat.st_mode & 0o7777,
            owner: (self.how.owner)(&path, owner, read.owner),
            xattrs: read.xattrs,
            path,
        };
        Ok((found, read.is_opaque))
    }

    /// A directory of `above`.
    fn opened(
        &mut self,
        found: Found,
        above: &Place,
        name: &OsStr,
        is_opaque: bool,
        depth: usize,
    ) -> Result<(), CaptureError> {
        let dir = above
            .dir
            .open(name)
            .map_err(|error| unread(&found.path, error))?;
        let dir = dir.ok_or_else(|| CaptureError::Moved(found.path.clone()))?;
        let place = Place {
            dir,
            path: found.path.clone(),
            is_hidden: (above.is_hidden || is_opaque) && self.how.below.has_in(&found.path),
        };
        self.directory(found, &place, depth)
    }

    fn directory(&mut self, found: Found, place: &Place, depth: usize) -> Result<(), CaptureError> {
        let old = self.how.below.get(&found.path);
        let is_same = old.is_some_and(|old| {
            let is_folder = old.kind == NodeKind::Folder;
            let same = (old.mode, old.uid, old.gid);
            is_folder && same == (found.mode, found.owner.user, found.owner.group)
        });
        let is_implied = old.is_none() && self.how.below.has(&found.path);
        let is_made = self.how.made.contains(&found.path);
        let is_new = !(is_same || is_implied || is_made) || !found.xattrs.is_empty();
        self.pending.push(found);
        if is_new {
            self.flush()?;
        }
        self.folder(place, depth + 1)?;
        // Still there if nothing in it was written.
        if self
            .pending
            .last()
            .is_some_and(|last| last.path == place.path)
        {
            self.pending.pop();
        }
        Ok(())
    }

    /// A path that the command removed; what the image never had needs no mention.
    fn gone(&mut self, path: String) -> Result<(), CaptureError> {
        if !self.how.below.has(&path) {
            return Ok(());
        }
        let found = Found {
            path,
            mode: 0,
            owner: Owner::default(),
            xattrs: Vec::new(),
        };
        self.write(&found, EntryKind::Whiteout)
    }

    fn file(
        &mut self,
        found: &Found,
        above: &Dir,
        name: &OsStr,
        stat: &Stat,
    ) -> Result<(), CaptureError> {
        if stat.st_nlink > 1 {
            let number = (stat.st_dev, stat.st_ino);
            if let Some((target, mode)) = self.links.get(&number).cloned() {
                let found = Found {
                    path: found.path.clone(),
                    mode,
                    owner: found.owner,
                    xattrs: found.xattrs.clone(),
                };
                return self.write(&found, EntryKind::HardLink { target: &target });
            }
            self.links.insert(number, (found.path.clone(), found.mode));
        }
        let failed = |error| unread(&found.path, error);
        let file = above.file(name).map_err(failed)?;
        let (mut file, meta) = file.ok_or_else(|| CaptureError::Moved(found.path.clone()))?;
        let size = meta.len();
        self.write(found, EntryKind::File { size })?;
        let mut piece = vec![0; PIECE];
        let mut at = 0;
        while at < size {
            if (self.how.is_cancelled)() {
                return Err(CaptureError::Cancelled);
            }
            let data = next_data(&file, at, size).map_err(failed)?;
            while at < data {
                let count = (data - at).min(ZEROS.len() as u64);
                self.writer
                    .content(&ZEROS[..usize::try_from(count).unwrap_or_default()])?;
                at += count;
            }
            let most = usize::try_from((size - at).min(PIECE as u64)).unwrap_or_default();
            if most == 0 {
                break;
            }
            match file.read(&mut piece[..most]) {
                Ok(0) => return Err(CaptureError::Moved(found.path.clone())),
                Ok(count) => {
                    self.writer.content(&piece[..count])?;
                    at += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// Writes an entry, after the directories above it.
    fn write(&mut self, found: &Found, kind: EntryKind<'_>) -> Result<(), CaptureError> {
        self.flush()?;
        Ok(self.writer.entry_with(&found.entry(kind), &found.xattrs)?)
    }

    fn flush(&mut self) -> Result<(), CaptureError> {
        for above in std::mem::take(&mut self.pending) {
            self.writer
                .entry_with(&above.entry(EntryKind::Folder), &above.xattrs)?;
        }
        Ok(())
    }
}

/// Where the next bytes of a file are that are not a hole, and the file's position there.
fn next_data(file: &File, at: u64, size: u64) -> io::Result<u64> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(data.min(size)),
        // Only a hole is left.
        Err(Errno::NXIO) => Ok(size),
        // A file system that knows no holes.
        Err(_) => seek(file, SeekFrom::Start(at)).map_err(Into::into),
    }
}

fn text(name: &OsStr, above: &str) -> Result<String, CaptureError> {
    let text = name.to_str().map(str::to_owned);
    text.ok_or_else(|| CaptureError::NoText(format!("{above}/{}", name.to_string_lossy())))
}

fn unread(path: &str, error: io::Error) -> CaptureError {
    let path = path.to_owned();
    CaptureError::Unread { path, error }
}
