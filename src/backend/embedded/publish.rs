//! Brings an image to its registry: blobs first, then manifests, then the name.

use super::base::Source;
use super::common::{LARGEST, at_once};
use crate::backend::Job;
use crate::backend::oci::manifest::{Descriptor, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::origin::Origin;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{Transfer, TransferError};
use crate::recipe::repository;
use crate::spec::Base;

/// Pushes the image with this digest under the job's reference.
pub(super) fn push(
    job: &Job<'_>,
    digest: Digest,
    source: &Source<'_>,
) -> Result<(), TransferError> {
    let of = Reference::read(job.reference)
        .ok_or_else(|| TransferError::Final(format!("`{}` is not a reference", job.reference)))?;
    let to = Transfer::new(&of, source.access, source.cancel);
    let mount = mount(job, &of);
    let bytes = source.store.read_whole(digest, LARGEST)?;
    let manifest = read(&bytes)?;
    for one in &manifest.manifests {
        let bytes = source.store.read_whole(one.digest, LARGEST)?;
        let image = read(&bytes)?;
        send(&image.blobs, (&to, &of), source, mount.as_ref())?;
        let name = one.digest.to_string();
        to.put_manifest(&name, &image.media_type, &bytes)?;
    }
    send(&manifest.blobs, (&to, &of), source, mount.as_ref())?;
    to.put_manifest(&of.tag, &manifest.media_type, &bytes)
        .map(drop)
}

/// The repository of the base, if it is in the same registry: blobs that it has need not be sent.
fn mount(job: &Job<'_>, of: &Reference) -> Option<String> {
    let base = match &job.recipe.base {
        Base::Image(id) => &job.bases.get(id)?.reference,
        Base::Registry(reference) => reference,
        Base::File { .. } | Base::Debian(_) | Base::Scratch => return None,
    };
    let base = Reference::read(repository(base))?;
    (base.host == of.host && base.path != of.path).then_some(base.path)
}

fn read(bytes: &[u8]) -> Result<Manifest, TransferError> {
    Manifest::read(bytes, None)
        .map_err(|error| TransferError::Final(format!("a manifest of the store: {error}")))
}

fn send(
    blobs: &[Descriptor],
    (to, of): (&Transfer<'_>, &Reference),
    source: &Source<'_>,
    mount: Option<&String>,
) -> Result<(), TransferError> {
    let bring = |(blob, note, before): &(&Descriptor, String, Option<String>)| {
        let size = blob.size.unwrap_or_default();
        let origin = Origin::of(source.store, blob.digest)?;
        let origin = origin.and_then(|origin| origin.at(&of.host));
        let mut before = before.clone();
        // Who needs a blob that another image is sending waits, and mounts it.
        let mut turn = None;
        if origin.is_none() && before.is_none() {
            turn = source.turn(note, "another image that is sending the same layer")?;
            if turn.is_none() {
                return Err(TransferError::Cancelled);
            }
            before = sent_to(note, source)?;
        }
        let places = [origin.as_ref(), before.as_ref(), mount];
        let mut others = places.into_iter().flatten();
        let mount = others.find(|path| **path != of.path);
        to.bring(
            (blob.digest, size),
            source.store,
            mount.map(String::as_str),
            &|| source.supply().obtain(blob),
        )?;
        if before.is_none() {
            source.store.keep_note(note, of.path.as_bytes())?;
        }
        drop(turn);
        Ok(())
    };
    let noted = blobs.iter().map(|blob| {
        let note = sent(blob.digest, of);
        let before = sent_to(&note, source)?;
        Ok::<_, TransferError>((blob, note, before))
    });
    let mut noted = noted.collect::<Result<Vec<_>, _>>()?;
    // What the repository may lack first: it takes longer than a look at what it has.
    noted.sort_by_key(|(_, _, before)| before.is_some());
    at_once(&noted, bring).map(drop)
}

/// The repository that has got a blob, by the note about it.
fn sent_to(note: &str, source: &Source<'_>) -> Result<Option<String>, TransferError> {
    let path = source.store.note(note)?;
    Ok(path.and_then(|path| String::from_utf8(path).ok()))
}

/// The note that says which repository of a registry has got a blob.
fn sent(blob: Digest, of: &Reference) -> String {
    let key = blake3::hash(format!("{} {blob}", of.host).as_bytes());
    format!("sent-{}", key.to_hex())
}
