//! Takes the image of an archive into the store: an OCI layout, or what `docker save` writes.
//!
//! The choices made: files go into the store while the archive is read, and what they mean is looked at when all are there, since
//! the lists come last; the layout is preferred, because then the image keeps its digest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};

use flate2::read::MultiGzDecoder;

use super::stream::{Entry, Kind, Stream};
use super::{ArchiveError, docker};
use crate::backend::oci::manifest::{Descriptor, INDEX, LARGEST, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::{Blob, Store, StoreError, Stored};

/// How far links may lead to links, and indexes to indexes.
const DEEPEST: usize = 8;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files, links and folders.
    pub entries: usize,
    /// Bytes of all files together, unpacked.
    pub bytes: u64,
}

impl Default for Limits {
    /// More than images have: an archive of the oldest kind has four entries for each of at most 127 layers.
    fn default() -> Self {
        Self {
            entries: 10_000,
            bytes: 1 << 40,
        }
    }
}

/// Takes the one image of an archive into the store; it may be compressed as a whole by gzip.
///
/// # Errors
/// When it breaks off, is too large, is no archive of one image, or something in it is missing or not what it should be.
pub fn import_archive(
    store: &Store,
    from: impl Read,
    limits: Limits,
) -> Result<Stored, ArchiveError> {
    let mut from = BufReader::with_capacity(256 << 10, from);
    let mut first = Vec::new();
    (&mut from).take(2).read_to_end(&mut first)?;
    let is_packed = first == [0x1f, 0x8b];
    let from = std::io::Cursor::new(first).chain(from);
    let from: Box<dyn Read + '_> = if is_packed {
        Box::new(MultiGzDecoder::new(from))
    } else {
        Box::new(from)
    };
    let contents = Contents::take(store, from, limits)?;
    if let Some(image) = contents.layout(store)? {
        return Ok(image);
    }
    match contents.texts.get(MANIFEST_JSON) {
        Some(text) => docker::image(store, &contents, text),
        None => Err(contents.no_image()),
    }
}

const INDEX_JSON: &str = "index.json";
const MANIFEST_JSON: &str = "manifest.json";

/// What an archive held.
#[derive(Default)]
pub(super) struct Contents {
    /// The lists of images.
    texts: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Blob>,
    links: BTreeMap<String, String>,
}

impl Contents {
    fn take(store: &Store, from: impl Read, limits: Limits) -> Result<Self, ArchiveError> {
        let mut contents = Self::default();
        let mut stream = Stream::new(from);
        let (mut entries, mut bytes) = (0, 0_u64);
        while let Some(entry) = stream.next()? {
            entries += 1;
            bytes = bytes.saturating_add(entry.size);
            if entries > limits.entries {
                return Err(ArchiveError::Large(format!("{} entries", limits.entries)));
            }
            if bytes > limits.bytes {
                return Err(ArchiveError::Large(format!("{} bytes", limits.bytes)));
            }
            contents.add(store, entry, &mut stream)?;
        }
        Ok(contents)
    }

    fn add(&mut self, store: &Store, entry: Entry, body: impl Read) -> Result<(), ArchiveError> {
        let Entry { path, kind, size } = entry;
        match kind {
            Kind::Link(target) => drop(self.links.insert(path, target)),
            Kind::File if matches!(path.as_str(), INDEX_JSON | MANIFEST_JSON) => {
                if size > LARGEST {
                    return Err(ArchiveError::part(path, "it is too large"));
                }
                let mut text = Vec::new();
                { body }.read_to_end(&mut text)?;
                self.texts.insert(path, text);
            }
            Kind::File if is_needed(&path) => {
                let blob = store.put(body, promised(&path)?);
                let blob = blob.map_err(|error| said_of(&path, error))?;
                self.blobs.insert(path, blob);
            }
            Kind::File | Kind::Other => {}
        }
        Ok(())
    }

    /// The file of this path, links followed.
    pub(super) fn blob(&self, path: &str) -> Result<Blob, ArchiveError> {
        let mut at = path;
        for _ in 0..DEEPEST {
            if let Some(blob) = self.blobs.get(at) {
                return Ok(*blob);
            }
            match self.links.get(at) {
                Some(target) => at = target,
                None => return Err(ArchiveError::Lacks(format!("`{path}`"))),
            }
        }
        Err(ArchiveError::part(path, "the links lead nowhere"))
    }

    /// The image of the layout, with all that it consists of; none if the archive is no layout or lacks something.
    fn layout(&self, store: &Store) -> Result<Option<Stored>, ArchiveError> {
        let Some(text) = self.texts.get(INDEX_JSON) else {
            return Ok(None);
        };
        let index = Manifest::read(text, None);
        let index = index.map_err(|error| ArchiveError::part(INDEX_JSON, &error))?;
        // An image that has several names is there once for each.
        let known: BTreeSet<Digest> = index.manifests.iter().map(|one| one.digest).collect();
        match (known.len(), index.manifests.first()) {
            (1, Some(image)) => whole(store, image, DEEPEST),
            (0, _) => Ok(None),
            (count, _) => Err(several(count)),
        }
    }

    fn no_image(&self) -> ArchiveError {
        if self.texts.contains_key(INDEX_JSON) {
            return ArchiveError::Lacks("a part of its image".into());
        }
        let words = format!("it has neither `{INDEX_JSON}` nor `{MANIFEST_JSON}`");
        ArchiveError::Wrong(words)
    }
}

/// An archive is asked for one image.
pub(super) fn several(count: usize) -> ArchiveError {
    ArchiveError::Wrong(format!("it holds {count} images instead of one"))
}

/// What the oldest Docker wants to know is of no use.
fn is_needed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !matches!(name, "json" | "VERSION" | "repositories" | "oci-layout")
}

/// The digest that a file's name promises.
fn promised(path: &str) -> Result<Option<Digest>, ArchiveError> {
    if let Some(name) = path.strip_prefix("blobs/sha256/") {
        let no_digest = || ArchiveError::part(path, "the name is no digest");
        return Digest::read_hex(name).ok_or_else(no_digest).map(Some);
    }
    Ok(path.strip_suffix(".json").and_then(Digest::read_hex))
}

fn said_of(path: &str, error: StoreError) -> ArchiveError {
    match error {
        StoreError::Mismatch { .. } => ArchiveError::part(path, &error),
        error => error.into(),
    }
}

/// An image as far as it is in the store. Of an index, archives may lack platforms: then what is left is an index of those that
/// are there, or the only one.
fn whole(store: &Store, of: &Descriptor, deep: usize) -> Result<Option<Stored>, ArchiveError> {
    if deep == 0 {
        return Err(ArchiveError::part(of.digest.to_string(), "it is too deep"));
    }
    if store.size(of.digest)?.is_none() {
        return Ok(None);
    }
    let text = store.read_whole(of.digest, LARGEST)?;
    let told = Some(of.media_type.as_str()).filter(|told| !told.is_empty());
    let manifest = Manifest::read(&text, told).map_err(ArchiveError::manifest(of.digest))?;
    let own = Stored {
        digest: of.digest,
        media_type: manifest.media_type.clone(),
    };
    if !manifest.is_index() {
        return Ok(has_all(store, &manifest)?.then_some(own));
    }
    let mut there = Vec::new();
    for one in &manifest.manifests {
        there.extend(whole(store, one, deep - 1)?.map(|found| (one, found)));
    }
    if there.len() == manifest.manifests.len() {
        return Ok(Some(own));
    }
    there.retain(|(one, _)| one.is_image());
    match there.as_slice() {
        [] => Ok(None),
        [(_, only)] => Ok(Some(only.clone())),
        some => {
            let kept: BTreeSet<Digest> = some.iter().map(|(one, _)| one.digest).collect();
            lesser(store, &text, &kept).map(Some)
        }
    }
}

fn has_all(store: &Store, manifest: &Manifest) -> Result<bool, ArchiveError> {
    for blob in manifest.blobs.iter().filter(|blob| blob.is_own()) {
        match store.size(blob.digest)? {
            Some(size) if size == blob.size => {}
            Some(size) => {
                let words = format!("it has {size} bytes, not {}", blob.size);
                return Err(ArchiveError::part(blob.digest.to_string(), &words));
            }
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// An index of only these.
fn lesser(store: &Store, text: &[u8], kept: &BTreeSet<Digest>) -> Result<Stored, ArchiveError> {
    let wrong = |error: serde_json::Error| ArchiveError::Wrong(error.to_string());
    let mut index: serde_json::Value = serde_json::from_slice(text).map_err(wrong)?;
    let is_kept = |one: &serde_json::Value| {
        let digest = one["digest"].as_str().and_then(Digest::read);
        digest.is_some_and(|digest| kept.contains(&digest))
    };
    if let Some(manifests) = index["manifests"].as_array_mut() {
        manifests.retain(is_kept);
    }
    index["mediaType"] = INDEX.into();
    let blob = store.put(index.to_string().as_bytes(), None)?;
    Ok(Stored {
        digest: blob.digest,
        media_type: INDEX.into(),
    })
}
