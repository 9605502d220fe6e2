//! Writes images to files: an OCI layout, or an archive that Docker, podman and skopeo load.
//!
//! The archive is both: an OCI layout, and beside it the `manifest.json` of `docker save`, whose paths lead to the layout's
//! blobs. Formats: <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>,
//! <https://github.com/moby/docker-image-spec/blob/main/v1.2.md>.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::common::{LARGEST, failed};
use crate::backend::oci::manifest::{INDEX, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::store::Store;
use crate::backend::{Artifact, BuildError, Cancel, Export, context};
use crate::disk::dir::Dir;

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The directory of the blobs in a layout.
const BLOBS: &str = "blobs/sha256";

/// What is written: the index, `docker save`'s list, and the blobs.
struct Contents {
    index: Vec<u8>,
    list: Vec<u8>,
    blobs: BTreeSet<Digest>,
}

/// Writes images that the store has.
pub(super) fn write(
    store: &Store,
    images: &[Artifact],
    to: Export<'_>,
    cancel: &Cancel,
) -> Result<(), BuildError> {
    let written = match to {
        Export::Layout(folder) => layout(store, images, folder, cancel),
        Export::Archive(stream) => archive(store, images, stream, cancel),
    };
    written.map_err(|error| {
        if cancel.is_requested() {
            BuildError::Cancelled
        } else {
            error
        }
    })
}

/// Writes an OCI layout into a directory; blobs that are there already stay.
fn layout(
    store: &Store,
    images: &[Artifact],
    to: &Path,
    cancel: &Cancel,
) -> Result<(), BuildError> {
    let contents = contents(store, images)?;
    let folder = context::theirs(to)?;
    let blobs = folder.make_all(BLOBS).map_err(failed)?;
    for digest in &contents.blobs {
        let (file, size) = store.send(*digest).map_err(failed)?;
        let there = blobs.file(digest.hex()).map_err(failed)?;
        if there.is_some_and(|(_, meta)| meta.len() == size) {
            continue;
        }
        let mut copy = blobs.fresh().map_err(failed)?;
        io::copy(&mut file.until(cancel), &mut copy.file)
            .map_err(|error| failed(blobs.unwritten(digest.hex(), error)))?;
        readable(&copy.file).map_err(failed)?;
        copy.keep(&blobs, &digest.hex()).map_err(failed)?;
    }
    replace(&folder, "oci-layout", LAYOUT.as_bytes())?;
    replace(&folder, "index.json", &contents.index)
}

/// Writes an archive to a stream.
fn archive(
    store: &Store,
    images: &[Artifact],
    to: &mut dyn Write,
    cancel: &Cancel,
) -> Result<(), BuildError> {
    let contents = contents(store, images)?;
    let mut tar = Builder::new(to);
    for folder in ["blobs", BLOBS] {
        let mut head = head(EntryType::Directory, 0o755, 0);
        tar.append_data(&mut head, format!("{folder}/"), io::empty())
            .map_err(unwritten)?;
    }
    for digest in &contents.blobs {
        let (file, size) = store.send(*digest).map_err(failed)?;
        let mut head = head(EntryType::Regular, 0o644, size);
        let path = format!("{BLOBS}/{}", digest.hex());
        tar.append_data(&mut head, path, file.until(cancel).take(size))
            .map_err(unwritten)?;
    }
    for (path, text) in [
        ("index.json", contents.index.as_slice()),
        ("manifest.json", &contents.list),
        ("oci-layout", LAYOUT.as_bytes()),
    ] {
        let mut head = head(EntryType::Regular, 0o644, text.len() as u64);
        tar.append_data(&mut head, path, text).map_err(unwritten)?;
    }
    tar.into_inner().and_then(Write::flush).map_err(unwritten)
}

fn head(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut head = Header::new_ustar();
    head.set_entry_type(kind);
    head.set_mode(mode);
    head.set_uid(0);
    head.set_gid(0);
    head.set_mtime(0);
    head.set_size(size);
    head
}

fn contents(store: &Store, images: &[Artifact]) -> Result<Contents, BuildError> {
    let mut blobs = BTreeSet::new();
    let (mut index, mut list) = (Vec::new(), BTreeMap::new());
    for image in images {
        let digest = Digest::read(&image.digest)
            .ok_or_else(|| failed(format!("`{}` is no digest", image.digest)))?;
        let bytes = store.read_whole(digest, LARGEST).map_err(failed)?;
        let manifest = Manifest::read(&bytes, None).map_err(failed)?;
        blobs.insert(digest);
        index.push(json!({
            "mediaType": manifest.media_type,
            "digest": image.digest,
            "size": bytes.len(),
            "annotations": names(&image.reference),
        }));
        for one in &manifest.manifests {
            let bytes = store.read_whole(one.digest, LARGEST).map_err(failed)?;
            let own = Manifest::read(&bytes, None).map_err(failed)?;
            blobs.insert(one.digest);
            add(&own, &mut blobs);
        }
        add(&manifest, &mut blobs);
        // `docker save`'s list has no platforms, and one entry for all names of an image.
        if manifest.manifests.is_empty() {
            let at = list.len();
            let (_, _, names) = list
                .entry(digest)
                .or_insert_with(|| (at, manifest, Vec::new()));
            names.push(image.reference.as_str());
        }
    }
    let mut list: Vec<_> = list.into_values().collect();
    list.sort_by_key(|(at, ..)| *at);
    let list = list.iter();
    let list: Vec<Value> = list
        .map(|(_, manifest, names)| entry(manifest, names))
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": index });
    Ok(Contents {
        index: serde_json::to_vec(&index).map_err(failed)?,
        list: serde_json::to_vec(&list).map_err(failed)?,
        blobs,
    })
}

fn add(manifest: &Manifest, blobs: &mut BTreeSet<Digest>) {
    blobs.extend(manifest.blobs.iter().map(|blob| blob.digest));
}

/// The names under which containerd and others look for an image in a layout.
fn names(reference: &str) -> Value {
    let whole = Reference::read(reference).map_or_else(
        || reference.to_owned(),
        |of| format!("{}/{}:{}", of.host, of.path, of.tag),
    );
    let tag = reference.rsplit(':').next().unwrap_or_default();
    json!({ "io.containerd.image.name": whole, "org.opencontainers.image.ref.name": tag })
}

fn entry(manifest: &Manifest, references: &[&str]) -> Value {
    let paths = manifest.blobs.iter();
    let mut paths = paths.map(|blob| format!("{BLOBS}/{}", blob.digest.hex()));
    let config = paths.next();
    json!({ "Config": config, "RepoTags": references, "Layers": paths.collect::<Vec<_>>() })
}

fn replace(folder: &Dir, name: &str, text: &[u8]) -> Result<(), BuildError> {
    let mut file = folder.fresh().map_err(failed)?;
    file.write(text).map_err(failed)?;
    readable(&file.file).map_err(failed)?;
    file.keep(folder, name).map_err(failed)
}

/// Others may read what the user asked for.
fn readable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn unwritten(error: io::Error) -> BuildError {
    BuildError::Failed(format!("the archive cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An interrupt comes while the first bytes are written.
    struct Interrupted(Cancel, u64);

    impl Write for Interrupted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.request();
            self.1 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_cancel_ends_an_archive() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("oci")).unwrap();
        let layer = store.put(vec![1; 1_000_000].as_slice(), None).unwrap();
        let config = store.put(&b"{}"[..], None).unwrap();
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{}","size":2}},"layers":[{{"digest":"{}","size":{}}}]}}"#,
            config.digest, layer.digest, layer.size
        );
        let image = Artifact {
            backend: "oci".to_owned(),
            reference: "app:1".to_owned(),
            digest: store
                .put(manifest.as_bytes(), None)
                .unwrap()
                .digest
                .to_string(),
            size: None,
        };
        let write = |out: &mut Interrupted| {
            let cancel = out.0.clone();
            write(
                &store,
                std::slice::from_ref(&image),
                Export::Archive(out),
                &cancel,
            )
        };
        let mut out = Interrupted(Cancel::default(), 0);
        assert!(matches!(write(&mut out), Err(BuildError::Cancelled)));
        assert!(out.1 < layer.size, "{}", out.1);
    }
}
