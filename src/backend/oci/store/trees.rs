//! Unpacked layers: directories that file systems are put together from. Whoever uses one only reads it.
//!
//! A tree gets its name once it is whole. Its files are not synced, which would take longer than making it: a tree counts
//! only until the system is started again, since after a power failure nobody knows which of its files were written.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::SystemTime;

use super::blobs::Store;
use super::checked;
use super::error::StoreError;
use super::left;
use super::scratch::Scratch;
use crate::backend::oci::name::Digest;
use crate::disk::FileKind;
use crate::disk::dir::Dir;

/// The files of the layer, in the directory of a tree.
const FILES: &str = "files";

/// What is known of a tree: since when the system runs, and its size in bytes.
const MARK: &str = "whole";

/// The largest mark, in bytes.
const LARGEST: u64 = 256;

/// A tree in the store, for removal.
#[derive(Debug, Clone)]
pub(in crate::backend) struct TreeUsage {
    /// How its owners are kept.
    pub(in crate::backend) kind: String,
    pub(in crate::backend) layer: Digest,
    pub(in crate::backend) size: u64,
    pub(in crate::backend) used: SystemTime,
    /// Whether it can still be used.
    pub(in crate::backend) is_whole: bool,
}

impl Store {
    /// The files of a layer, if they have been unpacked; `kind` is how their owners are kept.
    pub(in crate::backend) fn tree(
        &self,
        kind: &str,
        layer: Digest,
    ) -> Result<Option<PathBuf>, StoreError> {
        let Some(place) = self.0.trees.open(kind)? else {
            return Ok(None);
        };
        let Some(tree) = place.open(layer.hex())? else {
            return Ok(None);
        };
        let is_whole = mark(&tree)?.is_some_and(|(boot, _)| boot == self.0.boot);
        if let Some((file, meta)) = tree.file(MARK)?.filter(|_| is_whole) {
            checked::note_used(&file, &meta);
            return Ok(Some(tree.path().join(FILES)));
        }
        Ok(None)
    }

    /// Where a layer is unpacked to before it is a tree.
    pub(in crate::backend) fn new_tree(&self) -> Result<(Scratch, Dir), StoreError> {
        let scratch = self.scratch()?;
        let files = scratch.dir().make(FILES)?;
        Ok((scratch, files))
    }

    /// Makes a tree of what was unpacked there, which has this size in bytes. Whoever calls it has the turn to make it.
    pub(in crate::backend) fn keep_tree(
        &self,
        kind: &str,
        layer: Digest,
        size: u64,
        scratch: Scratch,
    ) -> Result<PathBuf, StoreError> {
        let place = self.0.trees.make(kind)?;
        let (boot, name) = (&self.0.boot, layer.hex());
        let mut mark = scratch.dir().anew(MARK)?;
        mark.write_all(format!("{boot}\n{size}\n").as_bytes())
            .map_err(|error| scratch.dir().unwritten(MARK, error))?;
        // One that does not count any more.
        left::remove(&place.lent()?, &name)?;
        scratch.keep(&place, &name)?;
        Ok(place.path().join(name).join(FILES))
    }
}

/// When the system was started that made a tree, and its size.
fn mark(tree: &Dir) -> io::Result<Option<(String, u64)>> {
    let text = tree.read(MARK, LARGEST)?;
    let text = text.and_then(|text| String::from_utf8(text).ok());
    Ok(text.and_then(|text| {
        let mut lines = text.lines();
        Some((lines.next()?.to_owned(), lines.next()?.parse().ok()?))
    }))
}

/// All trees in this directory.
pub(super) fn list(trees: &Dir, boot: &str) -> io::Result<Vec<TreeUsage>> {
    let mut found = Vec::new();
    let is_folder = |entry: &crate::disk::Entry| entry.kind == FileKind::Directory;
    for kind in trees.entries()?.into_iter().filter(is_folder) {
        let (Some(place), Ok(kind)) = (trees.open(&kind.name)?, kind.name.into_string()) else {
            continue;
        };
        for entry in place.entries()?.into_iter().filter(is_folder) {
            let name = entry.name.to_str();
            let layer = name.and_then(|name| Digest::read(&format!("sha256:{name}")));
            let (Some(layer), Some(tree)) = (layer, place.open(&entry.name)?) else {
                continue;
            };
            let known = mark(&tree)?;
            let used = tree.file(MARK)?.and_then(|(_, meta)| meta.modified().ok());
            found.push(TreeUsage {
                kind: kind.clone(),
                layer,
                size: known.as_ref().map_or(0, |(_, size)| *size),
                used: used.unwrap_or(SystemTime::UNIX_EPOCH),
                is_whole: known.is_some_and(|(made, _)| made == boot),
            });
        }
    }
    Ok(found)
}
