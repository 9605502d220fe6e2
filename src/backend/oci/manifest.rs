//! Manifests and indexes of images, parsed for what they refer to. Pure; the original bytes are always passed on
//! unchanged.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::name::Digest;
use crate::backend::platform::Platform;

/// OCI's media type of image manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI's media type of image indexes.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// OCI's media type of image configs.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// All media types of manifests and indexes.
pub(in crate::backend) const ANY: [&str; 4] = [MANIFEST, DOCKER_MANIFEST, INDEX, DOCKER_LIST];

/// Maximum size of a manifest in bytes: the protocol requires registries to accept at least this much.
pub const LARGEST: u64 = 4 << 20;

/// A reference to a part of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The part's media type.
    #[serde(default)]
    pub media_type: String,
    /// The part's digest.
    pub digest: Digest,
    /// The part's size in bytes, if the registry specifies it.
    pub size: Option<u64>,
    /// Other locations of the part; if there are any, a registry need not have it.
    #[serde(default)]
    pub urls: Vec<String>,
    #[serde(default)]
    pub(in crate::backend) platform: Option<Platform>,
}

impl Descriptor {
    /// Whether a registry must have the part.
    pub fn is_own(&self) -> bool {
        self.urls.is_empty() && !self.media_type.contains("nondistributable")
    }

    /// Whether it refers to an image, rather than to an attestation about one, which has no platform.
    pub(in crate::backend) fn is_image(&self) -> bool {
        let platform = self.platform.as_ref();
        platform.is_none_or(|platform| platform.os != "unknown")
    }
}

/// The references in a manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The media type of the manifest or index.
    pub media_type: String,
    /// The config and the layers, in order; empty for an index.
    pub blobs: Vec<Descriptor>,
    /// The manifests of an index; empty for a manifest.
    pub manifests: Vec<Descriptor>,
}

/// An image of an index that is to be written.
pub(in crate::backend) struct Part<'a> {
    /// Such as `linux/arm64`.
    pub(in crate::backend) platform: &'a str,
    pub(in crate::backend) media_type: &'a str,
    pub(in crate::backend) digest: Digest,
    pub(in crate::backend) size: u64,
}

impl Part<'_> {
    fn json(&self) -> serde_json::Value {
        let platform = Platform::read(self.platform);
        let mut told =
            BTreeMap::from([("os", platform.os), ("architecture", platform.architecture)]);
        if !platform.variant.is_empty() {
            told.insert("variant", platform.variant);
        }
        json!({ "mediaType": self.media_type, "digest": self.digest.to_string(), "size": self.size, "platform": told })
    }
}

/// An index of images, in this order, with annotations.
pub(in crate::backend) fn index(parts: &[Part<'_>], annotations: &Value) -> Vec<u8> {
    let parts: Vec<_> = parts.iter().map(Part::json).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": parts, "annotations": annotations });
    serde_json::to_vec(&index).expect("JSON is JSON")
}

/// Why a text is not a valid manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ManifestError(String);

/// A manifest or an index as received, in which fields may be missing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::backend) struct Sent {
    schema_version: Option<u32>,
    media_type: Option<String>,
    pub(in crate::backend) config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    pub(in crate::backend) manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    annotations: Value,
}

impl Sent {
    /// The value of an annotation.
    pub(in crate::backend) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.get(name)?.as_str()
    }
}

impl Manifest {
    /// Parses a manifest, whose media type must be `told` if given.
    pub fn read(text: &[u8], told: Option<&str>) -> Result<Self, ManifestError> {
        let text: Sent =
            serde_json::from_slice(text).map_err(|error| ManifestError(error.to_string()))?;
        let wrong = |why: String| Err(ManifestError(why));
        match text.schema_version {
            Some(2) => {}
            Some(other) => return wrong(format!("schema version {other} is not 2")),
            None => return wrong("it has no schema version".to_owned()),
        }
        let media_type = match (text.media_type, told) {
            (Some(own), Some(told)) if own != told => {
                return wrong(format!("media type `{own}` was sent as `{told}`"));
            }
            (Some(own), _) => own,
            (None, Some(told)) => told.to_owned(),
            (None, None) if text.manifests.is_some() => INDEX.to_owned(),
            (None, None) => MANIFEST.to_owned(),
        };
        let (mut blobs, mut manifests) = (Vec::new(), Vec::new());
        match (
            media_type.as_str(),
            text.config,
            text.layers,
            text.manifests,
        ) {
            (MANIFEST | DOCKER_MANIFEST, Some(config), Some(layers), None) => {
                blobs.push(config);
                blobs.extend(layers);
            }
            (INDEX | DOCKER_LIST, None, None, Some(those)) => manifests = those,
            (MANIFEST | DOCKER_MANIFEST | INDEX | DOCKER_LIST, ..) => {
                return wrong(format!("it is not a valid `{media_type}`"));
            }
            _ => return wrong(format!("media type `{media_type}` is not known")),
        }
        if let Some(one) = blobs
            .iter()
            .chain(&manifests)
            .find(|one| one.size.is_none())
        {
            return wrong(format!("`{}` has no size", one.digest));
        }
        Ok(Self {
            media_type,
            blobs,
            manifests,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: &str = r#"{"mediaType":"x","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0}"#;

    fn read(text: &str, told: Option<&str>) -> Result<Manifest, String> {
        Manifest::read(text.as_bytes(), told).map_err(|error| error.to_string())
    }

    #[test]
    fn a_manifest_has_a_config_and_layers() {
        let text = format!(r#"{{"schemaVersion":2,"config":{PIECE},"layers":[{PIECE},{PIECE}]}}"#);
        let manifest = read(&text, None).unwrap();
        assert_eq!(manifest.media_type, MANIFEST);
        assert_eq!((manifest.blobs.len(), manifest.manifests.len()), (3, 0));
        assert_eq!(
            read(&text, Some(DOCKER_MANIFEST)).unwrap().media_type,
            DOCKER_MANIFEST
        );
    }

    #[test]
    fn an_index_has_manifests() {
        let text = format!(r#"{{"schemaVersion":2,"manifests":[{PIECE}]}}"#);
        let index = read(&text, None).unwrap();
        assert_eq!(index.media_type, INDEX);
        assert_eq!((index.blobs.len(), index.manifests.len()), (0, 1));
    }

    #[test]
    fn what_is_neither_is_refused_in_words() {
        let manifest = format!(r#"{{"schemaVersion":2,"config":{PIECE},"layers":[]}}"#);
        assert_eq!(
            read(&manifest, Some(INDEX)).unwrap_err(),
            format!("it is not a valid `{INDEX}`")
        );
        assert_eq!(
            read(&manifest, Some("text/plain")).unwrap_err(),
            "media type `text/plain` is not known"
        );
        let both = manifest.replace("[]", &format!(r#"[],"manifests":[{PIECE}]"#));
        let old = manifest.replace(":2", ":1");
        let foreign = manifest.replace("sha256:e3", "sha512:e3");
        let sizeless = manifest.replace(r#","size":0"#, "");
        let unversioned = manifest.replace(r#""schemaVersion":2,"#, "");
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "[]",
            "{}",
            "null",
            &both,
            &old,
            &foreign,
            &sizeless,
            &unversioned,
            &deep,
        ] {
            assert!(read(text, None).is_err(), "{text:.80}");
        }
    }
}
