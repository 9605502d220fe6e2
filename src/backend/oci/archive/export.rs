//! Writes an image of the store as an archive for `docker load` and whoever reads OCI layouts.
//!
//! The choice made: nothing of the machine or the time gets into it, so the same image gives the same bytes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, Header};

use super::ArchiveError;
use crate::backend::oci::manifest::{LARGEST, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::store::{Store, StoreError, Stored};

/// Writes an image, to be called by these names. Of an index, a Docker that keeps one platform gets `platform`, else the first.
///
/// # Errors
/// When something of the image is not in the store or damaged, a name is none, or the archive cannot be written.
pub fn export_archive(
    store: &Store,
    image: &Stored,
    names: &[&str],
    platform: Option<&str>,
    to: impl Write,
) -> Result<(), ArchiveError> {
    let no_name = |name: &&str| ArchiveError::part(*name, "it is no reference");
    let read = |name: &&str| Reference::read(name).ok_or_else(|| no_name(name));
    let names: Vec<Reference> = names.iter().map(read).collect::<Result<_, _>>()?;
    let found = Found::of(store, image)?;
    let mut archive = Builder::new(to);
    text(
        &mut archive,
        "oci-layout",
        &json!({ "imageLayoutVersion": "1.0.0" }),
    )?;
    for (digest, size) in &found.blobs {
        blob(&mut archive, store, *digest, *size)?;
    }
    text(&mut archive, "index.json", &index(image, &found, &names))?;
    text(
        &mut archive,
        "manifest.json",
        &list(image, &found, &names, platform)?,
    )?;
    archive.into_inner()?.flush()?;
    Ok(())
}

/// What an image consists of.
#[derive(Default)]
struct Found {
    /// All that it consists of, with sizes.
    blobs: BTreeMap<Digest, u64>,
    manifests: BTreeMap<Digest, Manifest>,
}

impl Found {
    fn of(store: &Store, image: &Stored) -> Result<Self, ArchiveError> {
        let mut found = Self::default();
        let mut next = vec![(image.digest, image.media_type.clone())];
        while let Some((digest, kind)) = next.pop() {
            if found.manifests.contains_key(&digest) {
                continue;
            }
            let text = store.read_whole(digest, LARGEST)?;
            let manifest = Manifest::read(&text, Some(&kind));
            let manifest = manifest.map_err(ArchiveError::manifest(digest))?;
            found.blobs.insert(digest, text.len() as u64);
            for one in manifest.blobs.iter().filter(|one| one.is_own()) {
                let size = store.size(one.digest)?;
                let size = size.ok_or(StoreError::Unknown(one.digest))?;
                found.blobs.insert(one.digest, size);
            }
            let each = manifest.manifests.iter();
            next.extend(each.map(|one| (one.digest, one.media_type.clone())));
            found.manifests.insert(digest, manifest);
        }
        Ok(found)
    }

    /// The manifest of one platform.
    fn one(&self, of: Digest, platform: Option<&str>) -> Option<&Manifest> {
        let manifest = self.manifests.get(&of)?;
        if !manifest.is_index() {
            return Some(manifest);
        }
        let is_asked =
            |own: &crate::backend::platform::Platform| platform.is_none_or(|wanted| own.is(wanted));
        let images = manifest.manifests.iter().filter(|one| one.is_image());
        let mut asked = images.filter(|one| one.platform.as_ref().is_none_or(is_asked));
        let one = asked.next()?;
        self.manifests
            .get(&one.digest)
            .filter(|one| !one.is_index())
    }
}

fn index(image: &Stored, found: &Found, names: &[Reference]) -> Value {
    let piece = json!({
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": found.blobs[&image.digest],
    });
    let each = names.iter().map(|name| {
        let mut piece = piece.clone();
        piece["annotations"] = json!({
            "io.containerd.image.name": format!("{}/{}:{}", name.host, name.path, name.tag),
            "org.opencontainers.image.ref.name": name.tag,
        });
        piece
    });
    let mut manifests: Vec<Value> = each.collect();
    if manifests.is_empty() {
        manifests.push(piece);
    }
    json!({
        "schemaVersion": 2,
        "mediaType": crate::backend::oci::manifest::INDEX,
        "manifests": manifests,
    })
}

fn list(
    image: &Stored,
    found: &Found,
    names: &[Reference],
    platform: Option<&str>,
) -> Result<Value, ArchiveError> {
    let none = || {
        let platform = platform.unwrap_or("any platform");
        ArchiveError::part(
            image.digest.to_string(),
            &format!("it has no image for {platform}"),
        )
    };
    let one = found.one(image.digest, platform).ok_or_else(none)?;
    let config = one.config().ok_or_else(none)?;
    let tags: Vec<String> = names
        .iter()
        .map(|name| format!("{}:{}", name.repository(), name.tag))
        .collect();
    let layers: Vec<String> = one.layers().iter().map(|one| path(one.digest)).collect();
    Ok(json!([{ "Config": path(config.digest), "RepoTags": tags, "Layers": layers }]))
}

fn path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn text(to: &mut Builder<impl Write>, path: &str, text: &Value) -> Result<(), ArchiveError> {
    let text = text.to_string();
    Ok(to.append(&header(path, text.len() as u64)?, text.as_bytes())?)
}

fn blob(
    to: &mut Builder<impl Write>,
    store: &Store,
    digest: Digest,
    size: u64,
) -> Result<(), ArchiveError> {
    let (from, now) = store.read(digest)?;
    let mut from = Hashed(from, Sha256::new());
    if now == size {
        to.append(&header(&path(digest), size)?, &mut from)?;
    }
    if Digest::finish(from.1) == digest {
        return Ok(());
    }
    Err(ArchiveError::part(
        digest.to_string(),
        "the store's blob is damaged",
    ))
}

/// Reads, and hashes what was read.
struct Hashed<R>(R, Sha256);

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(to)?;
        self.1.update(&to[..read]);
        Ok(read)
    }
}

fn header(path: &str, size: u64) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_path(path)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    Ok(header)
}
