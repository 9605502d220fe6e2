//! The build record of an image, and its validation.
//!
//! A record with another schema is not converted but counts as never built; building again is always correct.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Digests of its bases, by image id.
    pub bases: BTreeMap<String, String>,
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

pub(super) fn parse(image: &str, bytes: &[u8]) -> RecordState {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let unreadable = |why: &str| RecordState::Unreadable(why.to_owned());
    match serde_json::from_slice::<Version>(bytes) {
        Err(_) => return unreadable("it is damaged"),
        Ok(Version { version }) if version != SCHEMA => {
            return RecordState::Unreadable(format!(
                "it was written by another version of imgspec (schema {version}, not {SCHEMA})"
            ));
        }
        Ok(_) => {}
    }
    match serde_json::from_slice::<Record>(bytes) {
        Err(_) => unreadable("it is damaged"),
        Ok(record) if record.image != image => unreadable("it belongs to another image"),
        Ok(record) => RecordState::Found(Box::new(record)),
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
