//! The parts of images in a directory or an archive, by path.

use std::collections::BTreeMap;
use std::io::Read;

use tar::EntryType;

use super::import::{Held, Import, START};
use crate::backend::BuildError;
use crate::backend::embedded::base::Part;
use crate::backend::embedded::common::{LARGEST, failed};
use crate::backend::oci::archive;
use crate::backend::oci::layer::{LayerError, Meter, inside, peek, plain};
use crate::backend::oci::store::StoreError;
use crate::fingerprint::EntryKind;

/// All texts of an archive together, in bytes.
const TEXTS: usize = 256 << 20;

/// Where the parts of images are read from.
pub(super) trait Parts {
    fn text(&mut self, path: &str) -> Result<Option<Vec<u8>>, BuildError>;
    fn layer(&mut self, path: &str) -> Result<Part, BuildError>;
}

/// The relevant files of an archive, by path.
#[derive(Default)]
pub(super) struct Contents {
    texts: BTreeMap<String, Vec<u8>>,
    /// Layers, or why a file is none.
    layers: BTreeMap<String, Result<Held, String>>,
    links: BTreeMap<String, String>,
}

/// A directory, whose files are read when they are needed.
pub(super) struct Folder<'a>(pub(super) &'a Import<'a>);

impl Parts for Folder<'_> {
    fn text(&mut self, path: &str) -> Result<Option<Vec<u8>>, BuildError> {
        let mut entries = self.0.files.entries.iter();
        let entry = entries.find(|entry| entry.path == path);
        match entry.map(|entry| &entry.kind) {
            None => Ok(None),
            Some(EntryKind::File { size, .. }) if *size <= LARGEST => {
                let text = self.0.reading(path, |from| {
                    // One byte more than it has: reading the end is what verifies it.
                    Ok(archive::text(from, LARGEST + 1)?)
                })?;
                Ok(Some(text))
            }
            Some(_) => Err(failed(format!("`{path}` in it is not a small file"))),
        }
    }

    fn layer(&mut self, path: &str) -> Result<Part, BuildError> {
        let promised = archive::promised(path);
        let held = self.0.reading(path, |from| self.0.layer(from, promised))?;
        Ok(held.part)
    }
}

impl Parts for Contents {
    fn text(&mut self, path: &str) -> Result<Option<Vec<u8>>, BuildError> {
        Ok(self.texts.get(self.target(path)).cloned())
    }

    fn layer(&mut self, path: &str) -> Result<Part, BuildError> {
        match self.layers.get(self.target(path)) {
            Some(Ok(held)) => Ok(held.part.clone()),
            Some(Err(why)) => Err(failed(format!("its layer `{path}`: {why}"))),
            None => Err(failed(format!("its layer `{path}` is missing"))),
        }
    }
}

impl Contents {
    /// Where a path leads: archives of Docker have links to layers that several images share.
    fn target<'p>(&'p self, path: &'p str) -> &'p str {
        self.links.get(path).map_or(path, String::as_str)
    }
}

impl Import<'_> {
    /// Reads an archive: texts are kept, layers go into the store.
    pub(super) fn contents(&self, path: &str) -> Result<Contents, BuildError> {
        self.reading(path, |from| {
            let is_cancelled = || self.is_cancelled();
            let meter = Meter::new(&is_cancelled);
            let mut archive = meter.archive(plain(from)?);
            let mut contents = Contents::default();
            let mut texts = 0;
            for (count, entry) in archive.entries()?.enumerate() {
                if count == archive::MOST {
                    return Err(LayerError::TooMany);
                }
                let mut entry = meter.entry(entry?)?;
                let Some(path) = inside(&entry.path()?)? else {
                    continue;
                };
                match entry.header().entry_type() {
                    EntryType::Symlink | EntryType::Link => {
                        let is_hard = entry.header().entry_type() == EntryType::Link;
                        let target = entry.link_name()?.unwrap_or_default();
                        let from = if is_hard { "" } else { path.as_str() };
                        let target = archive::linked(from, &target.to_string_lossy());
                        contents
                            .links
                            .insert(path.clone(), target.ok_or(LayerError::Outside(path))?);
                    }
                    EntryType::Regular | EntryType::Continuous => {
                        self.file(path, &mut entry, &mut contents, &mut texts)?;
                    }
                    _ => {}
                }
            }
            // The end is what verifies the file.
            meter.rest(archive, u64::MAX)?;
            Ok(contents)
        })
    }

    fn file(
        &self,
        path: String,
        entry: &mut tar::Entry<'_, impl Read>,
        contents: &mut Contents,
        texts: &mut usize,
    ) -> Result<(), LayerError> {
        let size = entry.size();
        let (start, mut whole) = peek(entry, START)?;
        let is_tar = start.get(257..262) == Some(b"ustar");
        if !is_tar && size <= LARGEST && matches!(start.first(), Some(b'{' | b'[')) {
            let text = archive::text(whole, LARGEST)?;
            *texts += text.len();
            if *texts > TEXTS {
                return Err(LayerError::TooMany);
            }
            contents.texts.insert(path, text);
            return Ok(());
        }
        let layer = match self.layer(&mut whole, archive::promised(&path)) {
            Ok(held) => Ok(held),
            // Whether these matter depends on whether the image has it.
            Err(LayerError::Store(error @ StoreError::Mismatch { .. })) => Err(error.to_string()),
            Err(error @ (LayerError::Damaged(_) | LayerError::Outside(_))) => {
                Err(error.to_string())
            }
            Err(error) => return Err(error),
        };
        contents.layers.insert(path, layer);
        Ok(())
    }
}
