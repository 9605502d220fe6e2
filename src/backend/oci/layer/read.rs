//! Reads somebody else's layer: what it contains, and the digest and size of its tar, in one pass.
//!
//! Layers are archives of strangers. Nothing is unpacked here, and what does not stay inside the image is refused.

use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tar::EntryType;

use super::index::{Contents, Index, Node, NodeKind};
use super::kept;
use super::meter::{Meter, is_interruption};
use super::plain::plain;
use super::tar::{OPAQUE, WHITEOUT, removal, whiteout};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::StoreError;

/// Far more entries than a layer has in practice.
const MOST: usize = 4_000_000;

/// Why a layer cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::backend) enum LayerError {
    /// It is no tar, or a damaged one.
    #[error("it cannot be read: {0}")]
    Damaged(#[source] io::Error),
    /// An entry that has no place in an image.
    #[error("its entry `{0}` leads out of the image")]
    Outside(String),
    /// An entry that nobody can make.
    #[error("its entry `{0}` is of a kind that no image has")]
    Unknown(String),
    /// An entry in something that is no directory.
    #[error("its entry `{0}` is below a file or a link of the same layer")]
    NoFolder(String),
    #[error("it has more than {MOST} entries")]
    TooMany,
    /// What is made of it cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The person waiting for it has gone.
    #[error("interrupted")]
    Cancelled,
}

impl From<io::Error> for LayerError {
    fn from(error: io::Error) -> Self {
        if is_interruption(&error) {
            Self::Cancelled
        } else {
            Self::Damaged(error)
        }
    }
}

/// Reads a layer, compressed with gzip or zstd or not at all. Stops when `is_cancelled` says so.
pub(in crate::backend) fn read(
    blob: impl Read,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Contents, LayerError> {
    read_tar(plain(blob)?, is_cancelled)
}

/// Hashes and counts what is read through it.
struct Hashing<R> {
    from: R,
    hash: Sha256,
    size: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

pub(super) fn read_tar(
    plain: impl Read,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Contents, LayerError> {
    let mut plain = Hashing {
        from: BufReader::with_capacity(256 << 10, plain),
        hash: Sha256::new(),
        size: 0,
    };
    let mut index = Index::default();
    let meter = Meter::new(is_cancelled);
    let mut archive = meter.archive(&mut plain);
    for entry in archive.entries()? {
        if index.nodes.len() == MOST {
            return Err(LayerError::TooMany);
        }
        let mut entry = meter.entry(entry?)?;
        Arc::make_mut(&mut index.nodes).extend(node(&mut entry)?);
    }
    // What follows the end counts for the digest too.
    meter.rest(archive, u64::MAX)?;
    Ok(Contents {
        diff_id: Digest::finish(plain.hash),
        size: plain.size,
        index,
    })
}

fn node(entry: &mut tar::Entry<'_, impl Read>) -> Result<Option<Node>, LayerError> {
    let path = entry.path()?.into_owned();
    let Some(path) = inside(&path)? else {
        return Ok(None);
    };
    let header = entry.header();
    let (mode, uid, gid) = (header.mode()? & 0o7777, header.uid()?, header.gid()?);
    let kind = header.entry_type();
    let target = |entry: &tar::Entry<'_, _>| -> Result<String, LayerError> {
        let target = entry.link_name()?.unwrap_or_default();
        Ok(target.to_string_lossy().into_owned())
    };
    let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let below = |name: &str| {
        if above.is_empty() {
            name.to_owned()
        } else {
            format!("{above}/{name}")
        }
    };
    if let Some(gone) = name.strip_prefix(WHITEOUT) {
        if gone == OPAQUE {
            return Ok(Some(bare(above.to_owned(), NodeKind::Opaque)));
        }
        if matches!(gone, "" | "." | "..") {
            return Err(LayerError::Outside(path.clone()));
        }
        return Ok(Some(bare(below(gone), NodeKind::Whiteout)));
    }
    let kind = match kind {
        EntryType::Directory => NodeKind::Folder,
        EntryType::Symlink => NodeKind::Link(target(entry)?),
        EntryType::Link => {
            let target = target(entry)?;
            let within = inside(Path::new(&target))?;
            NodeKind::HardLink(within.ok_or(LayerError::Outside(target))?)
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            NodeKind::File(kept::text(&path, entry.size(), entry)?)
        }
        EntryType::XGlobalHeader => return Ok(None),
        _ => NodeKind::Special,
    };
    Ok(Some(Node {
        path: path.into(),
        kind,
        mode,
        uid,
        gid,
    }))
}

impl Node {
    /// What is wrong with an entry that removes something, where there is nothing to be removed.
    pub(in crate::backend) fn removal(&self) -> Option<String> {
        match self.kind {
            NodeKind::Whiteout => removal(&whiteout(&self.path)),
            NodeKind::Opaque => removal(&whiteout(&format!("{}/{OPAQUE}", self.path))),
            _ => None,
        }
    }
}

fn bare(path: String, kind: NodeKind) -> Node {
    Node {
        path: path.into(),
        kind,
        mode: 0,
        uid: 0,
        gid: 0,
    }
}

/// The path from the image's root; `None` for the root itself.
pub(in crate::backend) fn inside(path: &Path) -> Result<Option<String>, LayerError> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.to_string_lossy().split('/') {
        match part {
            "" | "." => {}
            ".." => {
                let shown = path.to_string_lossy().into_owned();
                return Err(LayerError::Outside(shown));
            }
            part => parts.push(part.to_owned()),
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}
