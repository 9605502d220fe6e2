//! Small artifacts beside images: what OCI calls one since 1.1, a manifest with a type of its own, the empty config, and parts.
//!
//! What refers to an image (`subject`) is listed by its registry (the referrers API). Registries without it get the list that the
//! protocol asks of clients instead: an index under the tag `sha256-HEX`. Two writers of one such list at once may lose an entry;
//! nothing relies on its being complete.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::resume_unwind;
use std::thread;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Inquiry, LookupError};
use super::transfer::Transfer;
use crate::backend::oci::at_once::at_once;
use crate::backend::oci::manifest::{Descriptor, INDEX, MANIFEST, Manifest};
use crate::backend::oci::name::Digest;
use crate::backend::oci::web::TransferError;

/// The config of an artifact, and its part if it has none.
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");

/// The largest manifest of an artifact or list of them, in bytes.
const LARGEST: u64 = 1 << 20;

/// How many entries of a list are kept.
const LISTED: usize = 256;

/// An artifact to be written.
pub(super) struct NewArtifact<'a> {
    /// Its media type.
    pub(super) kind: &'a str,
    /// The media types and contents of its parts.
    pub(super) parts: &'a [(&'a str, &'a [u8])],
    /// The image that it is about, by tag or digest.
    pub(super) about: Option<&'a str>,
    pub(super) annotations: &'a [(&'a str, &'a str)],
}

/// A manifest or index that an artifact is about.
struct Subject {
    media_type: String,
    digest: Digest,
    size: usize,
}

/// What was seen to before an artifact is written, which is less to wait for then.
#[derive(Default)]
pub(super) struct Ready {
    /// The parts that the repository has got.
    parts: Mutex<BTreeSet<Digest>>,
    /// The list of what refers to an image, as it was.
    list: Mutex<Option<(Digest, Value)>>,
}

/// An artifact of a registry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Artifact {
    #[serde(default)]
    artifact_type: String,
    #[serde(default)]
    layers: Vec<Descriptor>,
    subject: Option<Descriptor>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

/// An entry in a list of what refers to an image.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Referrer {
    pub(super) digest: Digest,
    #[serde(default)]
    artifact_type: String,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Referrers {
    manifests: Vec<Referrer>,
}

impl NewArtifact<'_> {
    fn manifest(&self, subject: Option<&Subject>) -> Vec<u8> {
        let parts = if self.parts.is_empty() {
            &[EMPTY]
        } else {
            self.parts
        };
        let annotations: BTreeMap<&str, &str> = self.annotations.iter().copied().collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": self.kind,
            "config": described(EMPTY),
            "layers": parts.iter().map(|part| described(*part)).collect::<Vec<_>>(),
            "annotations": annotations,
        });
        if let Some(subject) = subject {
            manifest["subject"] = json!({
                "mediaType": subject.media_type, "digest": subject.digest, "size": subject.size,
            });
        }
        serde_json::to_vec(&manifest).expect("JSON is JSON")
    }
}

fn described((media_type, bytes): (&str, &[u8])) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() })
}

/// The tag of the list that clients keep of what refers to an image.
fn list(of: Digest) -> String {
    format!("sha256-{}", of.hex())
}

impl Transfer<'_> {
    /// The artifact under a tag, with the digest of its manifest; `None` if there is nothing.
    pub(super) fn artifact(&self, tag: &str) -> Result<Option<(Digest, Artifact)>, TransferError> {
        let (digest, bytes) = match self.manifest(tag) {
            Err(TransferError::Absent) => return Ok(None),
            found => found?,
        };
        let artifact = serde_json::from_slice(&bytes);
        let artifact = artifact.map_err(|error| self.passing(&error))?;
        Ok(Some((digest, artifact)))
    }

    /// What artifacts about an image of the repository, by tag or digest, refer to.
    fn subject(&self, name: &str) -> Result<Subject, TransferError> {
        if let Some(digest) = Digest::read(name)
            && let Some((media_type, size)) = self.was_put(digest)
        {
            return Ok(Subject {
                media_type,
                digest,
                size,
            });
        }
        let (digest, bytes) = self.manifest(name)?;
        let manifest = Manifest::read(&bytes, None);
        let manifest = manifest.map_err(|error| TransferError::Final(error.to_string()))?;
        Ok(Subject {
            media_type: manifest.media_type,
            digest,
            size: bytes.len(),
        })
    }

    /// Writes an artifact under a tag, and sees to it that it is listed under the image that it is about. Older ones of its kind for
    /// which `is_replaced` holds are dropped from a list of clients.
    pub(super) fn put_artifact(
        &self,
        tag: &str,
        artifact: &NewArtifact<'_>,
        ready: &Ready,
        is_replaced: &dyn Fn(&Referrer) -> bool,
    ) -> Result<Digest, TransferError> {
        let subject = self.complete(artifact, ready)?;
        let bytes = artifact.manifest(subject.as_ref());
        let is_listed = self.put_manifest(tag, MANIFEST, &bytes)?;
        if let Some(subject) = subject.filter(|_| !is_listed) {
            let known = ready.list.lock().take();
            let known = known.filter(|(of, _)| *of == subject.digest);
            let index =
                known.map_or_else(|| self.listed(subject.digest), |(_, index)| Ok(index))?;
            let index = with_entry(index, artifact, &bytes, is_replaced);
            self.put_manifest(&list(subject.digest), INDEX, &index)?;
        }
        Ok(Digest::of(&bytes))
    }

    /// Sees to what an artifact will need, while the image that it is about may still be on its way there.
    pub(super) fn prepare(
        &self,
        artifact: &NewArtifact<'_>,
        ready: &Ready,
    ) -> Result<(), TransferError> {
        thread::scope(|scope| {
            let about = artifact.about.and_then(Digest::read);
            let listed = about.map(|digest| (digest, scope.spawn(move || self.listed(digest))));
            self.bring_parts(artifact, ready)?;
            if let Some((digest, listed)) = listed {
                let index = listed.join().unwrap_or_else(|panic| resume_unwind(panic))?;
                *ready.list.lock() = Some((digest, index));
            }
            Ok(())
        })
    }

    /// Brings what is missing of all that an artifact's manifest names, at once.
    fn complete(
        &self,
        artifact: &NewArtifact<'_>,
        ready: &Ready,
    ) -> Result<Option<Subject>, TransferError> {
        thread::scope(|scope| {
            let asked = artifact
                .about
                .map(|name| scope.spawn(|| self.subject(name)));
            self.bring_parts(artifact, ready)?;
            let subject =
                asked.map(|asked| asked.join().unwrap_or_else(|panic| resume_unwind(panic)));
            subject.transpose()
        })
    }

    /// Each part takes several questions, which are waited for one after another.
    fn bring_parts(&self, artifact: &NewArtifact<'_>, ready: &Ready) -> Result<(), TransferError> {
        let parts = artifact.parts.iter().map(|(_, bytes)| *bytes);
        let all = parts.chain([EMPTY.1]);
        let all = all.map(|bytes| (Digest::of(bytes), bytes));
        let missing = all.filter(|(digest, _)| !ready.parts.lock().contains(digest));
        let missing: Vec<(Digest, &[u8])> = missing.collect();
        let bring = |(digest, bytes): &(Digest, &[u8])| {
            self.bring_small(bytes, *bytes != EMPTY.1)?;
            ready.parts.lock().insert(*digest);
            Ok(())
        };
        at_once(&missing, bring).map(drop)
    }

    /// The list of clients of what refers to an image.
    fn listed(&self, subject: Digest) -> Result<Value, TransferError> {
        match self.manifest(&list(subject)) {
            Ok((_, bytes)) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(TransferError::Absent) => Ok(Value::Null),
            Err(error) => Err(error),
        }
    }
}

/// A list of clients with this artifact added. What is no list, whatever the registry sent, counts as an empty one.
pub(super) fn with_entry(
    mut index: Value,
    artifact: &NewArtifact<'_>,
    manifest: &[u8],
    is_replaced: &dyn Fn(&Referrer) -> bool,
) -> Vec<u8> {
    let mut all = match index.get_mut("manifests").map(Value::take) {
        Some(Value::Array(all)) => all,
        _ => Vec::new(),
    };
    let is_old = |one: Referrer| one.artifact_type == artifact.kind && is_replaced(&one);
    all.retain(|one| !Referrer::deserialize(one).is_ok_and(is_old));
    all.drain(..all.len().saturating_sub(LISTED - 1));
    let mut own = described((MANIFEST, manifest));
    let annotations: BTreeMap<&str, &str> = artifact.annotations.iter().copied().collect();
    own["artifactType"] = artifact.kind.into();
    own["annotations"] = json!(annotations);
    all.push(own);
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": all });
    serde_json::to_vec(&index).expect("JSON is JSON")
}

impl Inquiry<'_> {
    /// The artifact of this kind under a tag or digest.
    pub(super) fn artifact(&self, name: &str, kind: &str) -> Result<Artifact, LookupError> {
        let (_, text) = self.text(name, LARGEST)?;
        let found: Artifact =
            serde_json::from_slice(&text).map_err(|error| self.unknown(&error))?;
        if found.is_a(kind) {
            return Ok(found);
        }
        Err(self.unknown(&format!("`{name}` is not a `{kind}`")))
    }

    /// The first part of this type, of at most this size; absent if the artifact has none.
    pub(super) fn part(
        &self,
        of: &Artifact,
        media_type: &str,
        most: u64,
    ) -> Result<Vec<u8>, LookupError> {
        let mut parts = of.layers.iter();
        let part = parts.find(|part| part.media_type == media_type);
        let part = part.ok_or(LookupError::Absent)?;
        if part.size.is_some_and(|size| size > most) {
            let most = most >> 20;
            return Err(self.unknown(&format!("`{media_type}` is longer than {most} MiB")));
        }
        self.blob(&part.digest.to_string(), most)
    }

    /// The artifacts of this kind that refer to an image: by the list of the registry, or else that of clients.
    pub(super) fn referrers(
        &self,
        image: Digest,
        kind: &str,
    ) -> Result<Vec<Referrer>, LookupError> {
        let kind_in_url: String = form_urlencoded::byte_serialize(kind.as_bytes()).collect();
        let path = format!("referrers/{image}?artifactType={kind_in_url}");
        let own = self.get(&path, INDEX).and_then(|mut answer| {
            let text = self.read(&mut answer, LARGEST)?;
            self.listed(&text)
        });
        let mut all = match own {
            Ok(all) => all,
            // What a registry answers that does not know the question differs.
            Err(_) => self.listed(&self.text(&list(image), LARGEST)?.1)?,
        };
        all.retain(|one| one.artifact_type == kind);
        Ok(all)
    }

    fn listed(&self, text: &[u8]) -> Result<Vec<Referrer>, LookupError> {
        let all = serde_json::from_slice::<Referrers>(text);
        all.map(|all| all.manifests)
            .map_err(|error| self.unknown(&error))
    }
}

impl Artifact {
    /// Whether it is of this kind.
    pub(super) fn is_a(&self, kind: &str) -> bool {
        self.artifact_type == kind
    }

    /// The image that it is about.
    pub(super) fn is_about(&self, image: Digest) -> bool {
        self.subject
            .as_ref()
            .is_some_and(|subject| subject.digest == image)
    }
}
