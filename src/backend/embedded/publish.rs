//! Brings an image to its registry: blobs first, then manifests, then the name.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread;

use super::base::Source;
use super::common::{LARGEST, at_once};
use crate::backend::Job;
use crate::backend::oci::manifest::{Descriptor, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::origin::Origin;
use crate::backend::oci::reference::Reference;
use crate::backend::oci::registry::{SMALL, Transfer, TransferError};
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
    let bytes = source.store.read_whole(digest, LARGEST)?;
    let manifest = read(&bytes)?;
    let push = Push {
        last: Last::read(source, &of)?,
        mount: mount(job, &of),
        to,
        of,
        source,
    };
    for one in &manifest.manifests {
        let bytes = source.store.read_whole(one.digest, LARGEST)?;
        let image = read(&bytes)?;
        push.send(&image.blobs)?;
        let name = one.digest.to_string();
        push.to.put_manifest(&name, &image.media_type, &bytes)?;
    }
    push.send(&manifest.blobs)?;
    push.to
        .put_manifest(&push.of.tag, &manifest.media_type, &bytes)?;
    let images = manifest.manifests.iter().map(|one| one.digest);
    Last::keep(source, &push.of, images.chain([digest]));
    Ok(())
}

/// An image on its way to a repository.
struct Push<'a> {
    source: &'a Source<'a>,
    of: Reference,
    to: Transfer<'a>,
    /// The repository of the base.
    mount: Option<String>,
    last: Last,
}

/// The manifests that a repository got last from this store, with their blobs: as long as it has a manifest it has its blobs, so
/// one question takes the place of many.
struct Last(Vec<(Digest, BTreeSet<Digest>)>);

impl Last {
    fn read(source: &Source<'_>, of: &Reference) -> Result<Self, TransferError> {
        let note = source.store.note(&Self::note(of))?.unwrap_or_default();
        let note = String::from_utf8(note).unwrap_or_default();
        let blobs = |digest| {
            let bytes = source.store.read_whole(digest, LARGEST).ok()?;
            let blobs = Manifest::read(&bytes, None).ok()?.blobs;
            let blobs: BTreeSet<Digest> = blobs.iter().map(|blob| blob.digest).collect();
            (!blobs.is_empty()).then_some((digest, blobs))
        };
        let digests = note.lines().filter_map(Digest::read);
        Ok(Self(digests.filter_map(blobs).collect()))
    }

    fn keep(source: &Source<'_>, of: &Reference, manifests: impl Iterator<Item = Digest>) {
        let lines: Vec<String> = manifests.map(|digest| digest.to_string()).collect();
        let text = lines.join("\n");
        // The image is there; without the note, the next push asks more.
        let _ = source.store.keep_note(&Self::note(of), text.as_bytes());
    }

    fn note(of: &Reference) -> String {
        let key = blake3::hash(format!("{}/{}", of.host, of.path).as_bytes());
        format!("pushed-{}", key.to_hex())
    }

    fn has(&self, blob: &Descriptor) -> bool {
        self.0.iter().any(|(_, blobs)| blobs.contains(&blob.digest))
    }

    /// Whether the repository still has what has one of these blobs; without an answer it is not relied on.
    fn is_there(&self, with: &[&Descriptor], to: &Transfer<'_>) -> bool {
        let needed =
            |blobs: &BTreeSet<Digest>| with.iter().any(|blob| blobs.contains(&blob.digest));
        let mut needed = self.0.iter().filter(|(_, blobs)| needed(blobs));
        needed.all(|(manifest, _)| to.has_manifest(*manifest).unwrap_or(false))
    }
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

impl Push<'_> {
    /// Sees to it that the repository has these blobs.
    fn send(&self, blobs: &[Descriptor]) -> Result<(), TransferError> {
        let (known, new): (Vec<&Descriptor>, Vec<&Descriptor>) =
            blobs.iter().partition(|blob| self.last.has(blob));
        let are_there = thread::scope(|scope| {
            let asked = scope.spawn(|| self.last.is_there(&known, &self.to));
            self.bring_all(&new)?;
            Ok::<_, TransferError>(asked.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })?;
        if are_there {
            return Ok(());
        }
        self.bring_all(&known)
    }

    fn bring_all(&self, blobs: &[&Descriptor]) -> Result<(), TransferError> {
        let noted = blobs.iter().map(|blob| {
            let note = sent(blob.digest, &self.of);
            let before = sent_to(&note, self.source)?;
            Ok::<_, TransferError>((*blob, note, before))
        });
        let mut noted = noted.collect::<Result<Vec<_>, _>>()?;
        // What the repository may lack first: it takes longer than a look at what it has.
        noted.sort_by_key(|(_, _, before)| before.is_some());
        at_once(&noted, |(blob, note, before)| {
            self.bring(blob, note, before.clone())
        })
        .map(drop)
    }

    /// Brings a blob; `before` is the repository that has got it before, as the note says.
    fn bring(
        &self,
        blob: &Descriptor,
        note: &str,
        mut before: Option<String>,
    ) -> Result<(), TransferError> {
        let Self { source, of, to, .. } = self;
        let size = blob.size.unwrap_or_default();
        let origin = Origin::of(source.store, blob.digest)?;
        let origin = origin.and_then(|origin| origin.at(&of.host));
        // Who needs a blob that another image is sending waits, and mounts it.
        let mut turn = None;
        if origin.is_none() && before.is_none() {
            turn = source.turn(note, "another image that is sending the same layer")?;
            if turn.is_none() {
                return Err(TransferError::Cancelled);
            }
            before = sent_to(note, source)?;
        }
        let places = [origin.as_ref(), before.as_ref()];
        let mut places = places.into_iter().flatten().peekable();
        if places.peek().is_none() && size <= SMALL {
            source.supply().obtain(blob)?;
            to.bring_new((blob.digest, size), source.store)?;
        } else {
            let mut others = places.chain(&self.mount);
            let mount = others.find(|path| **path != of.path);
            to.bring(
                (blob.digest, size),
                source.store,
                mount.map(String::as_str),
                &|| source.supply().obtain(blob),
            )?;
        }
        if before.is_none() {
            source.store.keep_note(note, of.path.as_bytes())?;
        }
        drop(turn);
        Ok(())
    }
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
