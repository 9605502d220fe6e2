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
