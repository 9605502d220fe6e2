//! Unpacks a layer into a directory that overlayfs takes as a lower one.
//!
//! Layers are archives of strangers. Every directory on the way is opened by handle and never through a link, so an entry
//! can only be put below the directory itself; attributes that overlayfs would take for its own are dropped. Attributes of
//! directories are set at the end, the deepest first, because read-only directories must be filled, too.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown,
    fsetxattr, futimens, linkat, makedev, mknodat, symlinkat, utimensat,
};
use rustix::io::Errno;
use tar::{Archive, EntryType};

use crate::backend::oci::layer::{LayerError, XATTR, Xattr, inside};
use crate::disk::FileKind;
use crate::disk::dir::Dir;

/// The attribute by which overlayfs, mounted with `userxattr`, knows a directory that hides those below it.
pub(in crate::backend::embedded) const OPAQUE: &str = "user.overlay.opaque";

/// What is read of a file at once.
const PIECE: usize = 64 << 10;

/// How the owners of files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backend::embedded) enum Owners {
    /// As in the layer; only root can do that.
    Kept,
    /// All files belong to the user that builds.
    Own,
}

impl Owners {
    /// Those that this process can keep.
    pub(in crate::backend::embedded) fn here() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::Kept
        } else {
            Self::Own
        }
    }

    /// The name of trees whose owners are kept like this.
    pub(in crate::backend::embedded) fn kind(self) -> &'static str {
        match self {
            Self::Kept => "root",
            Self::Own => "user",
        }
    }
}

/// What was unpacked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// The size of all files, in bytes.
    pub(super) size: u64,
    /// The entries that could not be made: devices, for anybody but root with all its rights.
    pub(super) left_out: Vec<String>,
}

/// Unpacks the tar of a layer into an empty directory.
pub(super) fn unpack(
    mut plain: impl Read,
    to: &Dir,
    owners: Owners,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Unpacked, LayerError> {
    let mut unpacking = Unpacking {
        owners,
        way: vec![(OsString::new(), to.clone())],
        folders: BTreeMap::new(),
        whiteouts: BTreeSet::new(),
        opaque: BTreeSet::new(),
        done: Unpacked::default(),
    };
    to.set_mode(0o755)?;
    let mut archive = Archive::new(&mut plain);
    for entry in archive.entries()? {
        if is_cancelled() {
            return Err(LayerError::Cancelled);
        }
        let mut entry = entry?;
        unpacking.entry(&mut entry, is_cancelled)?;
    }
    // The end is what verifies the blob.
    io::copy(&mut plain, &mut io::sink())?;
    unpacking.hide()?;
    unpacking.folders()?;
    Ok(unpacking.done)
}

/// The attributes of an entry.
#[derive(Debug, Clone)]
struct Attributes {
    mode: u32,
    owner: (u64, u64),
    time: i64,
    xattrs: Vec<Xattr>,
}

impl Default for Attributes {
    /// Those of a directory that the layer does not mention.
    fn default() -> Self {
        Self {
            mode: 0o755,
            owner: (0, 0),
            time: 0,
            xattrs: Vec::new(),
        }
    }
}

/// The parts of a path.
type Parts = Vec<OsString>;

struct Unpacking {
    owners: Owners,
    /// The directories on the way to the last entry, from the root of the tree.
    way: Vec<(OsString, Dir)>,
    folders: BTreeMap<Parts, Attributes>,
    /// What is removed from the layers below.
    whiteouts: BTreeSet<Parts>,
    /// The directories whose contents in the layers below are removed.
    opaque: BTreeSet<Parts>,
    done: Unpacked,
}

impl Unpacking {
    fn entry(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), LayerError> {
        let path = entry.path_bytes().into_owned();
        let mut parts = parts(&path)?;
        let Some(name) = parts.pop() else {
            return Ok(());
        };
        if let Some(gone) = name.as_bytes().strip_prefix(b".wh.") {
            return self.removed(parts, gone, &path);
        }
        let attributes = attributes(entry)?;
        let above = self.folder(&parts, &path)?;
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        if kind == EntryType::Directory {
            if above
                .kind(&name)?
                .is_some_and(|is| is != FileKind::Directory)
            {
                above.remove(&name)?;
            }
            above.make(&name)?;
            parts.push(name);
            self.folders.insert(parts, attributes);
            return Ok(());
        }
        if above.kind(&name)?.is_some() {
            // The last of several entries of one name counts.
            above.remove(&name)?;
            let mut whole = parts.clone();
            whole.push(name.clone());
            self.folders.retain(|folder, _| !folder.starts_with(&whole));
        }
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let file = above.create(&name, 0o600)?;
                let mut file = file.ok_or_else(|| io::Error::from(Errno::EXIST))?;
                let unwritten = |error| above.unwritten(&name, error);
                self.done.size += copy(entry, &mut file, &unwritten, is_cancelled)?;
                Ok(self.dress(&file, &attributes)?)
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                self.hard_link(&target, &above, &name, &path)
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                symlinkat(OsStr::from_bytes(&target), above.handle(), &name)
                    .map_err(io::Error::from)?;
                Ok(self.dress_by_name(&above, &name, &attributes)?)
            }
            _ => self.special(entry.header(), &above, &name, &attributes, &path),
        }
    }

    /// Notes what the layer removes from those below: a name, or all of a directory.
    fn removed(&mut self, mut above: Parts, gone: &[u8], path: &[u8]) -> Result<(), LayerError> {
        match gone {
            b".wh..opq" => drop(self.opaque.insert(above)),
            b"" | b"." | b".." => return Err(outside(path)),
            name => {
                above.push(OsStr::from_bytes(name).to_owned());
                self.whiteouts.insert(above);
            }
        }
        Ok(())
    }

    /// The directory with this path, which is made if the layer does not mention it before what is in it.
    fn folder(&mut self, parts: &[OsString], path: &[u8]) -> Result<Dir, LayerError> {
        let known = self.way[1..].iter().zip(parts);
        let common = known.take_while(|((name, _), part)| name == *part).count();
        self.way.truncate(common + 1);
        for (depth, part) in parts.iter().enumerate().skip(common) {
            let (_, above) = self.way.last().expect("the root stays");
            let is = above.kind(part)?;
            if is.is_some_and(|is| is != FileKind::Directory) {
                return Err(LayerError::NoFolder(shown(path)));
            }
            if is.is_none() {
                let implied = parts[..=depth].to_vec();
                self.folders.entry(implied).or_default();
            }
            let next = above.make(part)?;
            self.way.push((part.clone(), next));
        }
        Ok(self.way.last().expect("the root stays").1.clone())
    }

    fn hard_link(
        &mut self,
        target: &[u8],
        above: &Dir,
        name: &OsStr,
        path: &[u8],
    ) -> Result<(), LayerError> {
        let mut parts = parts(target)?;
        let file = parts.pop().ok_or_else(|| outside(path))?;
        let from = self.folder(&parts, target)?;
        linkat(from.handle(), &file, above.handle(), name, AtFlags::empty())
            .map_err(|error| above.unwritten(name, error.into()))?;
        Ok(())
    }

    fn special(
        &mut self,
        header: &tar::Header,
        above: &Dir,
        name: &OsStr,
        attributes: &Attributes,
        path: &[u8],
    ) -> Result<(), LayerError> {
        let numbers = || -> io::Result<(u32, u32)> {
            let major = header.device_major()?.unwrap_or_default();
            Ok((major, header.device_minor()?.unwrap_or_default()))
        };
        let (kind, (major, minor)) = match header.entry_type() {
            EntryType::Fifo => (FileType::Fifo, (0, 0)),
            EntryType::Char => (FileType::CharacterDevice, numbers()?),
            EntryType::Block => (FileType::BlockDevice, numbers()?),
            _ => return Err(LayerError::Unknown(shown(path))),
        };
        // A character device of these numbers is a whiteout for overlayfs.
        let is_whiteout = kind == FileType::CharacterDevice && (major, minor) == (0, 0);
        let is_device = kind != FileType::Fifo;
        let done = if is_whiteout || (is_device && self.owners == Owners::Own) {
            Err(Errno::PERM)
        } else {
            let mode = Mode::RUSR | Mode::WUSR;
            mknodat(above.handle(), name, kind, mode, makedev(major, minor))
        };
        // Root of a container or of a user namespace may not make devices either.
        if is_device && done == Err(Errno::PERM) {
            self.done.left_out.push(shown(path));
            return Ok(());
        }
        done.map_err(|error| above.unwritten(name, error.into()))?;
        self.dress_by_name(above, name, attributes)?;
        // It is no link, so the mode is that of the very file.
        let mode = Mode::from_raw_mode(attributes.mode);
        rustix::fs::chmodat(above.handle(), name, mode, AtFlags::empty())
            .map_err(io::Error::from)?;
        Ok(())
    }

    /// Sets what belongs to an open file or directory. The owner comes first, since changing it takes rights away.
    fn dress(&self, file: impl AsFd, attributes: &Attributes) -> io::Result<()> {
        if self.owners == Owners::Kept {
            let (user, group) = owner(attributes);
            fchown(&file, Some(user), Some(group))?;
        }
        for (name, value) in &attributes.xattrs {
            let is_own = self.owners == Owners::Kept || name.starts_with("user.");
            if is_own {
                fsetxattr(&file, name.as_str(), value, XattrFlags::empty())?;
            }
        }
        fchmod(&file, Mode::from_raw_mode(attributes.mode))?;
        futimens(&file, &times(attributes))?;
        Ok(())
    }

    /// The same for what is not opened; the mode of links does not count.
    fn dress_by_name(&self, above: &Dir, name: &OsStr, attributes: &Attributes) -> io::Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if self.owners == Owners::Kept {
            let (user, group) = owner(attributes);
            chownat(above.handle(), name, Some(user), Some(group), flags)?;
        }
        utimensat(above.handle(), name, &times(attributes), flags)?;
        Ok(())
    }

    /// Makes overlayfs hide what the layer removes from those below. What the layer itself has stays.
    fn hide(&mut self) -> Result<(), LayerError> {
        for mut parts in std::mem::take(&mut self.whiteouts) {
            let whole = parts.clone();
            let name = parts.pop().expect("a whiteout has a name");
            let above = self.folder(&parts, &joined(&whole))?;
            match above.kind(&name)? {
                Some(FileKind::Directory) => drop(self.opaque.insert(whole)),
                Some(_) => {}
                None => mknodat(
                    above.handle(),
                    &name,
                    FileType::CharacterDevice,
                    Mode::empty(),
                    makedev(0, 0),
                )
                .map_err(|error| above.unwritten(&name, error.into()))?,
            }
        }
        for parts in std::mem::take(&mut self.opaque) {
            self.folder(&parts, &joined(&parts))?;
            // An opaque root is hidden by leaving the layers below away.
            if !parts.is_empty() {
                let folder = self.folders.entry(parts).or_default();
                folder.xattrs.push((OPAQUE.to_owned(), b"y".to_vec()));
            }
        }
        Ok(())
    }

    fn folders(&mut self) -> Result<(), LayerError> {
        for (parts, attributes) in std::mem::take(&mut self.folders).into_iter().rev() {
            let folder = self.folder(&parts, &joined(&parts))?;
            self.dress(folder.handle(), &attributes)
                .map_err(|error| folder.unwritten(".", error))?;
        }
        Ok(())
    }
}

fn copy(
    from: &mut impl Read,
    to: &mut File,
    unwritten: &dyn Fn(io::Error) -> io::Error,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<u64, LayerError> {
    let mut size = 0;
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(size),
            Ok(count) => {
                to.write_all(&piece[..count]).map_err(unwritten)?;
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if is_cancelled() {
            return Err(LayerError::Cancelled);
        }
    }
}

fn attributes(entry: &mut tar::Entry<'_, impl Read>) -> Result<Attributes, LayerError> {
    let mut xattrs = Vec::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        let name = extension.key().ok().and_then(|key| key.strip_prefix(XATTR));
        if let Some(name) = name.filter(|name| is_carried(name)) {
            xattrs.push((name.to_owned(), extension.value_bytes().to_vec()));
        }
    }
    let header = entry.header();
    Ok(Attributes {
        mode: header.mode()? & 0o7777,
        owner: (header.uid()?, header.gid()?),
        time: i64::try_from(header.mtime()?).unwrap_or_default(),
        xattrs,
    })
}

/// Whether an attribute belongs to a file wherever it is. Others are those of a machine, or of its overlayfs.
pub(in crate::backend::embedded) fn is_carried(name: &str) -> bool {
    let is_users = name.starts_with("user.") && !name.starts_with("user.overlay.");
    is_users || name == "security.capability"
}

fn owner(attributes: &Attributes) -> (Uid, Gid) {
    // Larger numbers than the system has do not occur in images that can be run.
    let number = |number: u64| {
        u32::try_from(number)
            .ok()
            .filter(|number| *number < u32::MAX)
    };
    let (user, group) = attributes.owner;
    (
        Uid::from_raw(number(user).unwrap_or_default()),
        Gid::from_raw(number(group).unwrap_or_default()),
    )
}

fn times(attributes: &Attributes) -> Timestamps {
    let time = Timespec {
        tv_sec: attributes.time,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// The parts of a path in the image. Names need not be texts.
fn parts(path: &[u8]) -> Result<Parts, LayerError> {
    inside(OsStr::from_bytes(path).as_ref())?;
    let parts = path.split(|byte| *byte == b'/');
    let parts = parts.filter(|part| !matches!(*part, b"" | b"."));
    Ok(parts
        .map(|part| OsString::from_vec(part.to_vec()))
        .collect())
}

fn joined(parts: &[OsString]) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
    parts.join(&b'/')
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn outside(path: &[u8]) -> LayerError {
    LayerError::Outside(shown(path))
}
