//! Bases from files: an image in an OCI layout or an archive, or the tar of a root file system.
//!
//! The file is read once, in the order of its bytes, and verified to be what was hashed; its layers go into the store, and
//! nothing is unpacked. What was made of it is known by the digest of the file, so the next build does not read it.

mod import;
mod parts;

use super::base::{Image, LayerNote, Part, Source, of_platform, read};
use super::common::{LARGEST, failed};
use super::config::Config;
use crate::backend::BuildError;
use crate::backend::oci::archive::{self, Content, INDEX_FILE, Listed, Listing, SAVED_FILE};
use crate::backend::oci::layer::Node;
use crate::backend::oci::name::Digest;
use crate::backend::platform::Platform;
use crate::backend::steps::{main_file, shown};
use crate::fingerprint::Files;
use import::Import;
use parts::{Folder, Parts};

/// The version of how files become bases; part of the keys of what was made of them.
const FORMAT: &str = "base 2";

/// How deep indexes may be nested.
const DEPTH: usize = 4;

/// The base in these files; `name` is that of the image if there are several.
pub(super) fn base(
    files: &Files,
    name: Option<&str>,
    platform: &str,
    source: &Source<'_>,
) -> Result<Image, BuildError> {
    let path = shown(files);
    let key = key(files, name, platform);
    let whom = format!("another run that is reading {path}");
    let turn = source.turn(&key, &whom).map_err(failed)?;
    let _turn = turn.ok_or(BuildError::Cancelled)?;
    if let Some(known) = known(&key, source)? {
        return source.built(known, platform)?.only_for(platform, &path);
    }
    source.notes.log(&format!("reading {path}"));
    let import = Import {
        files,
        platform,
        source,
    };
    let digest = import.image(name).map_err(|error| {
        error.reworded(|why| format!("`{path}` cannot be used as a base: {why}"))
    })?;
    let image = source.built(digest, platform)?.only_for(platform, &path)?;
    source
        .store
        .keep_note(&key, digest.to_string().as_bytes())
        .map_err(failed)?;
    Ok(image)
}

fn key(files: &Files, name: Option<&str>, platform: &str) -> String {
    let mut hash = blake3::Hasher::new();
    for part in [FORMAT, name.unwrap_or_default(), platform] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.update(&files.digest);
    format!("made-{}", hash.finalize().to_hex())
}

/// The manifest that was made before, if the store still has all of the image.
fn known(key: &str, source: &Source<'_>) -> Result<Option<Digest>, BuildError> {
    let store = source.store;
    let note = store.note(key).map_err(failed)?;
    let digest = note.and_then(|note| Digest::read(std::str::from_utf8(&note).ok()?));
    let Some(digest) = digest else {
        return Ok(None);
    };
    let Ok(manifest) = store.read_whole(digest, LARGEST) else {
        return Ok(None);
    };
    let is_there = read(&manifest)?
        .blobs
        .iter()
        .all(|blob| store.size(blob.digest).is_ok_and(|size| size == blob.size));
    Ok(is_there.then_some(digest))
}

impl Import<'_> {
    /// Brings the image into the store; returns the digest of its manifest.
    fn image(&self, name: Option<&str>) -> Result<Digest, BuildError> {
        if !self.files.single {
            return self.chosen(name, &mut Folder(self));
        }
        let path = main_file(self.files);
        let content = self.reading(path, |from| archive::content(from, &|| self.is_cancelled()))?;
        match (content, name) {
            (Content::Images, _) => self.chosen(name, &mut self.contents(path)?),
            (Content::RootFs, None) => self.root_fs(path),
            (Content::RootFs, Some(_)) => Err(failed(
                "it is a root file system, not an archive of images, so `ref` names nothing",
            )),
        }
    }

    fn root_fs(&self, path: &str) -> Result<Digest, BuildError> {
        let held = self.reading(path, |from| self.layer(from, None))?;
        let diff_id = match held.diff_id {
            Some(diff_id) => diff_id,
            None => self.indexed(held.part.digest)?,
        };
        let note = LayerNote::read(self.source.store, held.part.digest)?;
        let mut nodes = note.iter().flat_map(|note| note.index.nodes.iter());
        if let Some(why) = nodes.find_map(Node::removal) {
            return Err(failed(why));
        }
        let mut config = Config::scratch(&Platform::read(self.platform));
        // Without the path, which no key has: equal files in two places are one base.
        config.add_history("base-image: file", Some(diff_id));
        // As Docker says of images without a base.
        config.set("WorkingDir", "/");
        self.stored(&config.bytes(), &[held.part])
    }

    /// Brings the image with this name into the store.
    fn chosen(&self, name: Option<&str>, parts: &mut dyn Parts) -> Result<Digest, BuildError> {
        let listed: Vec<Listed> = match (parts.text(INDEX_FILE)?, parts.text(SAVED_FILE)?) {
            (Some(index), _) => archive::of_index(&index).map_err(failed)?,
            (None, Some(saved)) => archive::of_saved(&saved).map_err(failed)?,
            (None, None) => {
                let why = format!("there is neither `{INDEX_FILE}` nor `{SAVED_FILE}` in it");
                return Err(failed(why));
            }
        };
        match archive::choose(&listed, name).map_err(failed)? {
            Listing::Manifest(digest) => self.of_manifest(digest, parts),
            Listing::Saved { config, layers } => {
                let config = parts.text(&config)?;
                let config = config.ok_or_else(|| failed("its config is missing"))?;
                self.gathered(&config, &layers, parts)
            }
        }
    }

    fn of_manifest(&self, digest: Digest, parts: &mut dyn Parts) -> Result<Digest, BuildError> {
        let mut digest = digest;
        for _ in 0..DEPTH {
            let manifest = read(&blob(digest, parts)?)?;
            if manifest.blobs.is_empty() {
                digest = of_platform(&manifest, self.platform, &digest.to_string())?;
                continue;
            }
            let config = blob(manifest.blobs[0].digest, parts)?;
            let layers = manifest.blobs[1..].iter();
            let layers: Vec<String> = layers
                .map(|layer| archive::blob_path(layer.digest))
                .collect();
            return self.gathered(&config, &layers, parts);
        }
        Err(failed(format!(
            "its indexes are nested more than {DEPTH} deep"
        )))
    }

    fn gathered(
        &self,
        config: &[u8],
        layers: &[String],
        parts: &mut dyn Parts,
    ) -> Result<Digest, BuildError> {
        let layers: Result<Vec<Part>, BuildError> =
            layers.iter().map(|path| parts.layer(path)).collect();
        self.stored(config, &layers?)
    }
}

/// A manifest or config, verified.
fn blob(digest: Digest, parts: &mut dyn Parts) -> Result<Vec<u8>, BuildError> {
    let text = parts.text(&archive::blob_path(digest))?;
    let text = text.ok_or_else(|| failed(format!("its blob `{digest}` is missing")))?;
    if Digest::of(&text) == digest {
        Ok(text)
    } else {
        Err(failed(format!("its blob `{digest}` has another content")))
    }
}
