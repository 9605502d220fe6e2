//! Removes what no image needs any more, unless a run is using the store.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::common::{ImageNote, LARGEST};
use crate::backend::oci::manifest::Manifest;
use crate::backend::oci::name::Digest;
use crate::backend::oci::store::{StoreError, Sweep};
use crate::disk::dir::Rooted;

/// Images that were built longer ago than this are forgotten; building them again is cheap.
const KEPT: Duration = Duration::from_hours(90 * 24);

/// Cleans the store in this directory; returns the number of removed blobs, or `None` if the store is in use.
pub(super) fn clean(place: &Rooted) -> Result<Option<usize>, StoreError> {
    let Some(sweep) = Sweep::begin(place)? else {
        return Ok(None);
    };
    let mut needed = BTreeSet::new();
    for name in sweep.notes("image-")? {
        let is_old = sweep.age(&name)?.is_none_or(is_old);
        let note = sweep.note(&name)?;
        let note = note.and_then(|note| serde_json::from_slice::<ImageNote>(&note).ok());
        match note.and_then(|note| Digest::read(&note.digest)) {
            Some(digest) if !is_old => need(&sweep, digest, &mut needed),
            _ => sweep.remove_note(&name)?,
        }
    }
    let is_needed = |digest: Option<Digest>| digest.is_some_and(|digest| needed.contains(&digest));
    for name in sweep.notes("layer-")? {
        let digest = name
            .strip_prefix("layer-")
            .and_then(|hex| Digest::read(&format!("sha256:{hex}")));
        if !is_needed(digest) {
            sweep.remove_note(&name)?;
        }
    }
    for name in sweep.notes("made-")? {
        let text = sweep
            .note(&name)?
            .and_then(|text| String::from_utf8(text).ok());
        if !is_needed(text.and_then(|text| Digest::read(&text))) {
            sweep.remove_note(&name)?;
        }
    }
    sweep
        .remove_blobs(|digest| needed.contains(&digest))
        .map(Some)
}

fn is_old(time: SystemTime) -> bool {
    time.elapsed().is_ok_and(|age| age > KEPT)
}

/// Marks everything that an image consists of.
fn need(sweep: &Sweep, digest: Digest, needed: &mut BTreeSet<Digest>) {
    if !needed.insert(digest) {
        return;
    }
    let manifest = sweep.read(digest, LARGEST);
    if let Some(manifest) = manifest.and_then(|bytes| Manifest::read(&bytes, None).ok()) {
        needed.extend(manifest.blobs.iter().map(|blob| blob.digest));
        for one in &manifest.manifests {
            need(sweep, one.digest, needed);
        }
    }
}
