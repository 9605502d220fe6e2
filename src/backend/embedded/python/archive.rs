//! Writes the layer of an archive with one directory, such as a Python or sources: what is in it below another directory, in its own
//! order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::backend::oci::layer::{Entry, EntryKind, LayerWriter, Meter, is_interruption};
use crate::backend::oci::store::StoreError;
use crate::cancel::Cancel;

/// What an archive may be.
pub(in super::super) struct Shape<'a> {
    /// The name of its directory, if it is known.
    pub(in super::super) top: Option<&'static str>,
    /// How many entries it has at most.
    pub(in super::super) most: usize,
    /// How many bytes it has at most when it is unpacked.
    pub(in super::super) largest: u64,
    /// What of it becomes something else.
    pub(in super::super) change: Option<&'a dyn Change>,
}

/// Changes small files on the way. A path comes as its parts below the archive's directory.
pub(in super::super) trait Change {
    /// Whether this file is changed.
    fn is_for(&self, parts: &[&str]) -> bool;

    /// What the file becomes; `None` if it is left out.
    fn changed(&self, parts: &[&str], text: &[u8]) -> Result<Option<Vec<u8>>, String>;
}

/// The largest file that is read to be changed; the largest ones have some ten KiB.
const LARGEST_CHANGED: u64 = 1 << 20;

/// How much is copied at once.
const PIECE: usize = 256 << 10;

/// Why an archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ArchiveError {
    #[error("{0}")]
    Refused(String),
    #[error("it cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("interrupted")]
    Cancelled,
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        if is_interruption(&error) {
            Self::Cancelled
        } else {
            Self::Unreadable(error)
        }
    }
}

/// What has been written.
pub(in super::super) struct Written {
    /// The directory of the archive.
    directory: Option<String>,
    folders: BTreeSet<String>,
    others: BTreeSet<String>,
    /// Those of them that are files, which hard links may lead to, with their modes.
    files: BTreeMap<String, u32>,
    /// The names directly below the archive's directory.
    pub(in super::super) top: BTreeSet<String>,
}

/// Writes what is in the archive below `to`, which exists.
pub(in super::super) fn write(
    file: File,
    (shape, to): (&Shape<'_>, &str),
    writer: &mut LayerWriter,
    cancel: &Cancel,
) -> Result<Written, ArchiveError> {
    let plain = plain(file, shape)?;
    let mut written = Written {
        directory: shape.top.map(str::to_owned),
        folders: BTreeSet::new(),
        others: BTreeSet::new(),
        files: BTreeMap::new(),
        top: BTreeSet::new(),
    };
    let is_cancelled = || cancel.is_requested();
    let meter = Meter::new(&is_cancelled);
    let mut archive = meter.archive(plain);
    let mut total = 0_u64;
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = meter.entry(entry?)?;
        total = total.saturating_add(entry.size());
        if count == shape.most || total > shape.largest {
            return refused("it has too much in it");
        }
        written.entry(&mut entry, (shape, to), writer, cancel)?;
    }
    Ok(written)
}

/// The tar in a compressed archive.
pub(in super::super) fn plain(
    mut file: File,
    shape: &Shape<'_>,
) -> Result<Box<dyn Read>, ArchiveError> {
    let mut magic = [0; 6];
    let mut start = Vec::new();
    Read::by_ref(&mut file)
        .take(magic.len() as u64)
        .read_to_end(&mut start)?;
    magic[..start.len()].copy_from_slice(&start);
    file.rewind()?;
    let file = BufReader::with_capacity(PIECE, file);
    let plain: Box<dyn Read> = match magic {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::new(file)?),
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(liblzma::read::XzDecoder::new(file)),
        [b'P', b'K', 3, 4, ..] => return refused("it is a zip archive, not a tar"),
        [b'B', b'Z', b'h', ..] => return refused("it is compressed with bzip2, not with gzip"),
        _ => {
            return refused(
                "it is no archive that is known: a tar compressed with gzip, xz or zstd",
            );
        }
    };
    // The heads of entries come on top of what they have.
    Ok(Box::new(plain.take(shape.largest.saturating_mul(2))))
}

fn refused<T>(why: impl Into<String>) -> Result<T, ArchiveError> {
    Err(ArchiveError::Refused(why.into()))
}

impl Written {
    pub(in super::super) fn has(&self, path: &str) -> bool {
        self.others.contains(path)
    }

    fn entry(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
        (shape, to): (&Shape<'_>, &str),
        writer: &mut LayerWriter,
        cancel: &Cancel,
    ) -> Result<(), ArchiveError> {
        let shown = entry.path()?.display().to_string();
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let Some(parts) = self.inside(&shown)? else {
            return Ok(());
        };
        let [.., name] = parts.as_slice() else {
            return Ok(());
        };
        self.top.insert(parts[0].to_owned());
        let above = self.above(to, &parts[..parts.len() - 1], writer)?;
        let path = format!("{above}/{name}");
        if kind == EntryType::Directory {
            return self.folder(path, writer);
        }
        if self.folders.contains(&path) || !self.others.insert(path.clone()) {
            return refused(format!("it has `{shown}` twice"));
        }
        if kind == EntryType::Link {
            return self.hard_link(entry, (path, &shown), to, writer);
        }
        if matches!(kind, EntryType::Regular | EntryType::Continuous) {
            let is_executable = entry.header().mode()? & 0o111 != 0;
            let mode = if is_executable { 0o755 } else { 0o644 };
            self.files.insert(path.clone(), mode);
        }
        let is_file = self.files.contains_key(&path);
        let change = shape.change.filter(|change| change.is_for(&parts));
        match change.filter(|_| is_file) {
            Some(change) => self.changed(entry, (change, &parts), (&path, &shown), writer),
            None => file(entry, (&path, &shown), writer, cancel),
        }
    }

    /// Writes what a file becomes.
    fn changed(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
        (change, parts): (&dyn Change, &[&str]),
        (path, shown): (&str, &str),
        writer: &mut LayerWriter,
    ) -> Result<(), ArchiveError> {
        if entry.size() > LARGEST_CHANGED {
            return refused(format!("its `{shown}` is too large to be what it seems"));
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text)?;
        if text.len() as u64 != entry.size() {
            return refused(format!("it ends within `{shown}`"));
        }
        let changed = change.changed(parts, &text);
        let changed =
            changed.or_else(|why| refused(format!("its `{shown}` cannot be read: {why}")))?;
        let Some(text) = changed else {
            self.files.remove(path);
            return Ok(());
        };
        let size = text.len() as u64;
        let mode = self.files[path];
        writer.entry(&Entry {
            path,
            kind: EntryKind::File { size },
            mode,
            uid: 0,
            gid: 0,
        })?;
        Ok(writer.content(&text)?)
    }

    /// Writes another name of a file that the archive has had already.
    fn hard_link(
        &mut self,
        entry: &tar::Entry<'_, impl Read>,
        (path, shown): (String, &str),
        to: &str,
        writer: &mut LayerWriter,
    ) -> Result<(), ArchiveError> {
        let target = entry.link_name()?.unwrap_or_default();
        let target = target.display().to_string();
        let parts = self.inside(&target)?.unwrap_or_default();
        let real = format!("{to}/{}", parts.join("/"));
        let Some(mode) = self.files.get(&real).copied() else {
            return refused(format!(
                "its entry `{shown}` is a link to `{target}`, which is no file before it"
            ));
        };
        writer.entry(&Entry {
            path: &path,
            kind: EntryKind::HardLink { target: &real },
            mode,
            uid: 0,
            gid: 0,
        })?;
        self.files.insert(path, mode);
        Ok(())
    }

    /// The parts of a path of the archive below its directory; `None` for what is above.
    fn inside<'s>(&mut self, shown: &'s str) -> Result<Option<Vec<&'s str>>, ArchiveError> {
        let parts = shown.split('/').filter(|part| !matches!(*part, "" | "."));
        let parts: Vec<&str> = parts.collect();
        let [top, parts @ ..] = parts.as_slice() else {
            return Ok(None);
        };
        let directory = self.directory.get_or_insert_with(|| (*top).to_owned());
        if top != directory || *top == ".." || parts.contains(&"..") {
            return refused(format!(
                "its entry `{shown}` is not in its directory `{directory}`"
            ));
        }
        Ok(Some(parts.to_vec()))
    }

    /// Writes the directories that are not there yet; nothing is below a file or a link.
    fn above(
        &mut self,
        to: &str,
        parts: &[&str],
        writer: &mut LayerWriter,
    ) -> Result<String, ArchiveError> {
        let mut path = to.to_owned();
        for part in parts {
            path = format!("{path}/{part}");
            self.folder(path.clone(), writer)?;
        }
        Ok(path)
    }

    fn folder(&mut self, path: String, writer: &mut LayerWriter) -> Result<(), ArchiveError> {
        if self.others.contains(&path) {
            return refused(format!(
                "it has something below `{path}`, which is no directory"
            ));
        }
        if !self.folders.contains(&path) {
            let entry = Entry {
                path: &path,
                kind: EntryKind::Folder,
                mode: 0o755,
                uid: 0,
                gid: 0,
            };
            writer.entry(&entry)?;
            self.folders.insert(path);
        }
        Ok(())
    }
}

/// Writes a file or a symbolic link, which comes from the entry `shown`.
fn file(
    entry: &mut tar::Entry<'_, impl Read>,
    (path, shown): (&str, &str),
    writer: &mut LayerWriter,
    cancel: &Cancel,
) -> Result<(), ArchiveError> {
    let kind = entry.header().entry_type();
    let is_executable = entry.header().mode()? & 0o111 != 0;
    let target = entry
        .link_name()?
        .map(|target| target.display().to_string());
    let (kind, mode) = match (kind, &target) {
        (EntryType::Symlink, Some(target)) => (EntryKind::Link { target }, 0o777),
        (EntryType::Regular | EntryType::Continuous, _) => {
            let size = entry.size();
            let mode = if is_executable { 0o755 } else { 0o644 };
            (EntryKind::File { size }, mode)
        }
        _ => {
            return refused(format!(
                "its entry `{shown}` is no file, directory or symbolic link"
            ));
        }
    };
    let head = Entry {
        path,
        kind,
        mode,
        uid: 0,
        gid: 0,
    };
    writer.entry(&head)?;
    let mut left = match kind {
        EntryKind::File { size } => size,
        _ => 0,
    };
    let mut piece = vec![0; PIECE];
    while left > 0 {
        if cancel.is_requested() {
            return Err(ArchiveError::Cancelled);
        }
        match entry.read(&mut piece)? {
            0 => return refused(format!("it ends within `{shown}`")),
            count => {
                writer.content(&piece[..count])?;
                left = left.saturating_sub(count as u64);
            }
        }
    }
    Ok(())
}
