//! Small artifacts beside the images of a registry: manifests of imgspec's own types, with at most one small blob.
//!
//! They have the form of the image specification's artifacts: `artifactType` tells them apart, the config is empty. Registries
//! older than that form accept them too: to those, the config is a blob like any other.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use ureq::http::Method;

use super::transfer::{Load, Result, Transfer};
use crate::backend::oci::manifest::{Descriptor, MANIFEST};
use crate::backend::oci::name::Digest;
use crate::backend::oci::web::TransferError;

/// The media type of an empty blob, and the blob.
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const NOTHING: &[u8] = b"{}";

/// An artifact to be written.
#[derive(Debug, Clone)]
pub(in crate::backend) struct Artifact<'a> {
    /// Its type.
    pub(in crate::backend) kind: &'a str,
    pub(in crate::backend) annotations: BTreeMap<&'a str, String>,
    /// Media type and bytes of its blob, unless the annotations say everything.
    pub(in crate::backend) content: Option<(&'a str, &'a [u8])>,
    /// The manifest that it is about.
    pub(in crate::backend) subject: Option<Subject<'a>>,
}

/// A manifest that an artifact is about.
#[derive(Debug, Clone, Copy)]
pub(in crate::backend) struct Subject<'a> {
    pub(in crate::backend) media_type: &'a str,
    pub(in crate::backend) digest: Digest,
    pub(in crate::backend) size: u64,
}

/// An artifact that a registry has. Whoever may write to the repository may have written it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct FoundArtifact {
    /// The digest of its manifest.
    pub(in crate::backend) digest: Digest,
    /// Its type; empty if it is an image.
    pub(in crate::backend) kind: String,
    pub(in crate::backend) annotations: BTreeMap<String, String>,
    /// Its blobs.
    pub(in crate::backend) layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Sent {
    artifact_type: String,
    annotations: BTreeMap<String, String>,
    layers: Vec<Descriptor>,
}

impl Artifact<'_> {
    /// The manifest, the same bytes for the same artifact.
    fn manifest(&self) -> Vec<u8> {
        let (media_type, bytes) = self.content.unwrap_or((EMPTY, NOTHING));
        let describe = |media_type: &str, bytes: &[u8]| {
            let digest = Digest::of(bytes).to_string();
            json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
        };
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": self.kind,
            "config": describe(EMPTY, NOTHING),
            "layers": [describe(media_type, bytes)],
            "annotations": self.annotations,
        });
        if let Some(subject) = self.subject {
            let digest = subject.digest.to_string();
            manifest["subject"] = json!({ "mediaType": subject.media_type, "digest": digest, "size": subject.size });
        }
        serde_json::to_vec(&manifest).expect("JSON is JSON")
    }
}

impl FoundArtifact {
    /// Parses the manifest of an artifact or an image; `None` if it is neither.
    fn read(digest: Digest, bytes: &[u8]) -> Option<Self> {
        let sent: Sent = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            digest,
            kind: sent.artifact_type,
            annotations: sent.annotations,
            layers: sent.layers,
        })
    }
}

impl Transfer<'_> {
    /// The artifact of this tag or digest; `None` if there is nothing.
    pub(in crate::backend) fn artifact(&self, name: &str) -> Result<Option<FoundArtifact>> {
        let (digest, bytes) = match self.manifest(name) {
            Err(TransferError::Absent) => return Ok(None),
            found => found?,
        };
        let read = FoundArtifact::read(digest, &bytes);
        let unreadable = || self.passing(&format!("what it has as `{name}` cannot be parsed"));
        read.ok_or_else(unreadable).map(Some)
    }

    /// Puts what all artifacts of a repository refer to there.
    pub(in crate::backend) fn prepare_artifacts(&self) -> Result<()> {
        self.put_small(NOTHING)
    }

    /// Writes an artifact under this tag, or under its digest, into a repository that is prepared.
    pub(in crate::backend) fn put_artifact(
        &self,
        tag: Option<&str>,
        artifact: &Artifact<'_>,
    ) -> Result<Digest> {
        if let Some((_, bytes)) = artifact.content {
            self.put_small(bytes)?;
        }
        let manifest = artifact.manifest();
        let digest = Digest::of(&manifest);
        let name = tag.map_or_else(|| digest.to_string(), str::to_owned);
        self.put_manifest(&name, MANIFEST, &manifest)?;
        Ok(digest)
    }

    /// Removes a manifest, and with it the tags that point to it.
    pub(in crate::backend) fn delete(&self, manifest: Digest) -> Result<()> {
        let path = format!("manifests/{manifest}");
        let answer = self.send(|| self.request(Method::DELETE, &path), &Load::Nothing)?;
        match self.found(answer) {
            Err(TransferError::Absent) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Puts a blob into the repository, unless it is there.
    fn put_small(&self, bytes: &[u8]) -> Result<()> {
        let digest = Digest::of(bytes);
        if self.has(digest)? {
            return Ok(());
        }
        let opened = self.open("blobs/uploads/")?;
        self.fill(&opened, (digest, bytes.len() as u64), &Load::Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_read_as_it_was_written() {
        let digest = Digest::of(b"image");
        let artifact = Artifact {
            kind: "application/vnd.test",
            annotations: BTreeMap::from([("a", "1".to_owned())]),
            content: Some(("text/plain", b"content")),
            subject: Some(Subject {
                media_type: MANIFEST,
                digest,
                size: 5,
            }),
        };
        let bytes = artifact.manifest();
        assert_eq!(bytes, artifact.clone().manifest());
        let found = FoundArtifact::read(Digest::of(&bytes), &bytes).unwrap();
        assert_eq!(found.kind, artifact.kind);
        assert_eq!(found.annotations["a"], "1");
        assert_eq!(found.layers[0].digest, Digest::of(b"content"));
        let whole: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(whole["subject"]["digest"], digest.to_string());
        assert_eq!(whole["config"]["digest"], Digest::of(b"{}").to_string());
        assert_eq!(whole["config"]["size"], 2);
    }

    #[test]
    fn what_is_no_artifact_has_no_type_or_is_refused() {
        let read = |text: &str| FoundArtifact::read(Digest::of(b""), text.as_bytes());
        let image = read(r#"{"schemaVersion":2,"config":{},"layers":[]}"#).unwrap();
        assert_eq!(image.kind, "");
        let deep = "[".repeat(100_000);
        for text in ["", "null", "7", r#"{"annotations":{"a":1}}"#, &deep] {
            assert_eq!(read(text), None, "{text:.40}");
        }
    }
}
