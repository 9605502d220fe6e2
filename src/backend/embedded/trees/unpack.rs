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
    AtFlags, FileType, Mode, XattrFlags, chownat, fchmod, fchown, fsetxattr, futimens, linkat,
    makedev, mknodat, symlinkat, utimensat,
};
use rustix::io::Errno;
use tar::EntryType;

use super::attributes::{Attributes, OPAQUE, OWNER, Owners, attributes, mode_of, owner, times};
use crate::backend::oci::layer::{LayerError, Meter, inside};
use crate::backend::sandbox::Owned;
use crate::disk::FileKind;
use crate::disk::dir::Dir;

/// What is read of a file at once.
const PIECE: usize = 64 << 10;

/// What was unpacked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// The size of all files, in bytes.
    pub(super) size: u64,
    /// The entries that could not be made: devices, for anybody but root with all its rights.
    pub(super) left_out: Vec<String>,
    /// The entries that are to be given to somebody else.
    pub(super) owned: Vec<Owned>,
}

/// Unpacks the tar of a layer into an empty directory.
pub(super) fn unpack(
    plain: impl Read,
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
        owned: BTreeMap::new(),
        done: Unpacked::default(),
    };
    to.set_mode(0o755)?;
    let meter = Meter::new(is_cancelled);
    let mut archive = meter.archive(plain);
    for entry in archive.entries()? {
        let mut entry = meter.entry(entry?)?;
        unpacking.entry(&mut entry, is_cancelled)?;
    }
    // The end is what verifies the blob.
    meter.rest(archive, u64::MAX)?;
    unpacking.hide()?;
    unpacking.folders()?;
    unpacking.done.owned = unpacking.owned.into_values().collect();
    Ok(unpacking.done)
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
    /// What belongs to somebody else.
    owned: BTreeMap<Parts, Owned>,
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
        parts.push(name.clone());
        if above.kind(&name)?.is_some() {
            above.remove(&name)?;
            self.forget(&parts);
        }
        if kind != EntryType::Link {
            self.note_owner(&parts, &attributes);
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
                self.hard_link(&target, &above, &name, parts, &path)
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

    /// Forgets an entry and what is below it: the last of several entries of one name counts.
    fn forget(&mut self, whole: &[OsString]) {
        self.folders.retain(|folder, _| !folder.starts_with(whole));
        self.owned.retain(|entry, _| !entry.starts_with(whole));
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
        whole: Parts,
        path: &[u8],
    ) -> Result<(), LayerError> {
        let mut parts = parts(target)?;
        // One file, one owner; but its first name may be taken by another file later on.
        if let Some(owned) = self.owned.get(&parts).cloned() {
            let path = joined(&whole);
            self.owned.insert(whole, Owned { path, ..owned });
        }
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
        let done = if is_whiteout || (is_device && self.owners != Owners::Kept) {
            Err(Errno::PERM)
        } else {
            let mode = Mode::RUSR | Mode::WUSR;
            mknodat(above.handle(), name, kind, mode, makedev(major, minor))
        };
        // Root of a container or of a user namespace may not make devices either.
        if is_device && done == Err(Errno::PERM) {
            self.done.left_out.push(shown(path));
            self.owned.remove(&self::parts(path)?);
            return Ok(());
        }
        done.map_err(|error| above.unwritten(name, error.into()))?;
        self.dress_by_name(above, name, attributes)?;
        // It is no link, so the mode is that of the very file.
        rustix::fs::chmodat(above.handle(), name, mode_of(attributes), AtFlags::empty())
            .map_err(io::Error::from)?;
        Ok(())
    }

    /// Notes to whom an entry is to be given, if it does not stay whose it is.
    fn note_owner(&mut self, parts: &[OsString], attributes: &Attributes) {
        if !matches!(self.owners, Owners::Given { .. }) {
            return;
        }
        let (user, group) = owner(attributes);
        let mut xattrs = attributes.xattrs.iter();
        let capability = xattrs.find(|(name, _)| name == "security.capability");
        let capability = capability.map(|(_, value)| value.clone());
        let owned = Owned {
            path: joined(parts),
            uid: user.as_raw(),
            gid: group.as_raw(),
            mode: attributes.mode,
            capability: capability.unwrap_or_default(),
        };
        if (owned.uid, owned.gid) != (0, 0) || !owned.capability.is_empty() {
            self.owned.insert(parts.to_vec(), owned);
        }
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
        let (user, group) = owner(attributes);
        if self.owners == Owners::Own && !(user.is_root() && group.is_root()) {
            let text = format!("{}:{}", user.as_raw(), group.as_raw());
            match fsetxattr(&file, OWNER, text.as_bytes(), XattrFlags::empty()) {
                // Then its path is all that tells its owner.
                Err(Errno::OPNOTSUPP) => {}
                noted => noted?,
            }
        }
        fchmod(&file, mode_of(attributes))?;
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
            self.note_owner(&parts, &attributes);
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
