//! The build record of an image, and its validation.
//!
//! A record with another schema is not converted but counts as never built; building again is always correct.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::backend::{Artifact, StoreKind};
use crate::fingerprint::Key;

/// Version of the record format.
pub const SCHEMA: u32 = 1;

/// What was built last for an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// Version of the record format, [`SCHEMA`].
    pub version: u32,
    /// Id of the image.
    pub image: String,
    /// The key it was built with.
    pub key: Key,
    /// The resulting image.
    pub artifact: Artifact,
    /// The platforms it was built for.
    pub platforms: Vec<String>,
    /// Duration of the build, in seconds.
    pub seconds: f64,
    /// When the build finished, in RFC 3339 format.
    pub finished: String,
    /// Ids and digests of its bases, sorted. Not a map, which would take as much memory for one base as for eleven.
    #[serde(with = "bases")]
    pub bases: Vec<(String, String)>,
    /// The stores that contain the artifact.
    pub stored: BTreeSet<StoreKind>,
}

/// The result of reading a record.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordState {
    /// No record: never built here.
    Missing,
    /// A record that cannot be read; counts as never built.
    Unreadable(
        /// The reason.
        String,
    ),
    /// A valid record.
    Found(Box<Record>),
}

impl Record {
    /// The digest of a base.
    #[must_use]
    pub fn base(&self, id: &str) -> Option<&str> {
        let base = self.bases.iter().find(|(name, _)| name == id);
        base.map(|(_, digest)| digest.as_str())
    }
}

/// In a record, bases are an object.
mod bases {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        bases: &[(String, String)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(bases.iter().map(|(name, digest)| (name, digest)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, String)>, D::Error> {
        Ok(BTreeMap::deserialize(deserializer)?.into_iter().collect())
    }
}

pub(super) fn parse(image: &str, bytes: &[u8]) -> RecordState {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let unreadable = |why: &str| RecordState::Unreadable(why.to_owned());
    match serde_json::from_slice::<Record>(bytes) {
        Ok(record) if record.version == SCHEMA => {
            return if record.image == image {
                RecordState::Found(Box::new(record))
            } else {
                unreadable("it belongs to another image")
            };
        }
        _ => {}
    }
    match serde_json::from_slice::<Version>(bytes) {
        Ok(Version { version }) if version != SCHEMA => RecordState::Unreadable(format!(
            "it was written by another version of imgspec (schema {version}, not {SCHEMA})"
        )),
        _ => unreadable("it is damaged"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As written before sizes were kept.
    const OLDER: &str = r#"{
        "version": 1, "image": "app", "key": "0000000000000000000000000000000000000000000000000000000000000000",
        "artifact": { "backend": "docker", "reference": "app:0", "digest": "sha256:00" },
        "platforms": ["linux/amd64"], "seconds": 1.5, "finished": "2026-01-02T03:04:05Z", "bases": {}, "stored": ["local"]
    }"#;

    #[test]
    fn a_record_may_lack_the_size() {
        let size = |text: &str| match parse("app", text.as_bytes()) {
            RecordState::Found(record) => record.artifact.size,
            other => panic!("{other:?}"),
        };
        assert_eq!(size(OLDER), None);
        let newer = OLDER.replace("sha256:00\"", "sha256:00\", \"size\": 820000000");
        assert_eq!(size(&newer), Some(820_000_000));
    }
}
