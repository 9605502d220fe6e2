//! The image of an archive that has only Docker's own list: its manifest is made here.
//!
//! The choices made: layers stay as they are, mostly unpacked, because packing costs more than loopback does; the manifest is made of
//! nothing but their digests, so that the same image always gets the same one.

use std::io::Read;

use serde::Deserialize;
use serde_json::json;

use super::ArchiveError;
use super::import::{Contents, several};
use crate::backend::oci::manifest::{CONFIG, MANIFEST};
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::{Blob, Store, Stored};

/// More than any config has.
const LARGEST_CONFIG: u64 = 16 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// The one image of a `manifest.json`.
pub(super) fn image(
    store: &Store,
    contents: &Contents,
    list: &[u8],
) -> Result<Stored, ArchiveError> {
    let wrong = |error| ArchiveError::part("manifest.json", &error);
    let images: Vec<Image> = serde_json::from_slice(list).map_err(wrong)?;
    let [image] = images.as_slice() else {
        return Err(several(images.len()));
    };
    let config = contents.blob(&image.config)?;
    let text = store.read_whole(config.digest, LARGEST_CONFIG)?;
    let wrong = |error| ArchiveError::part(&image.config, &error);
    let diffs = serde_json::from_slice::<Config>(&text).map_err(wrong)?;
    let diffs = diffs.rootfs.diff_ids;
    if diffs.len() != image.layers.len() {
        let words = format!("it has {} layers, not {}", diffs.len(), image.layers.len());
        return Err(ArchiveError::part(&image.config, &words));
    }
    let mut layers = Vec::new();
    for (path, diff) in image.layers.iter().zip(diffs) {
        let blob = contents.blob(path)?;
        let packing = packing(store, blob)?;
        if packing.is_empty() && blob.digest != diff {
            let words = format!("it is `{}`, not `{diff}`", blob.digest);
            return Err(ArchiveError::part(path, &words));
        }
        let kind = format!("application/vnd.oci.image.layer.v1.tar{packing}");
        layers.push(piece(&kind, blob));
    }
    let text = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": piece(CONFIG, config),
        "layers": layers,
    });
    let blob = store.put(text.to_string().as_bytes(), None)?;
    Ok(Stored {
        digest: blob.digest,
        media_type: MANIFEST.into(),
    })
}

fn piece(kind: &str, blob: Blob) -> serde_json::Value {
    json!({ "mediaType": kind, "digest": blob.digest, "size": blob.size })
}

/// How a layer is packed, as its media type says it, by its first bytes.
fn packing(store: &Store, layer: Blob) -> Result<&'static str, ArchiveError> {
    let (file, _) = store.read(layer.digest)?;
    let mut first = Vec::new();
    file.take(4).read_to_end(&mut first)?;
    Ok(match first.as_slice() {
        [0x1f, 0x8b, ..] => "+gzip",
        [0x28, 0xb5, 0x2f, 0xfd] => "+zstd",
        _ => "",
    })
}
