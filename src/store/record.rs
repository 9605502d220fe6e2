//! One record, and what its file can turn out to be.
//!
//! Data only. A record of another schema is not converted but counts as never built; building again is
//! always right.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::backend::{Artifact, StoreKind};
use crate::fingerprint::Key;

/// Version of the record's shape.
pub const SCHEMA: u32 = 1;

/// What was built last for an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// Version of the record's shape, [`SCHEMA`].
    pub version: u32,
    /// The image's id.
    pub image: String,
    /// The key that it was built for.
    pub key: Key,
    /// What was built.
    pub artifact: Artifact,
    /// The platforms that it was built for.
    pub platforms: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// When it was finished, as RFC 3339 has it.
    pub finished: String,
    /// The digests of the images that it was made of, by id.
    pub bases: BTreeMap<String, String>,
    /// Where the artifact was put.
    pub stored: BTreeSet<StoreKind>,
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordState {
    /// It was never built here.
    Missing,
    /// There is a record, but it cannot be read: it counts as never built.
    Unreadable(
        /// Why, in words.
        String,
    ),
    /// It was built.
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
                "another version of imgspec wrote it (schema {version}, not {SCHEMA})"
            ));
        }
        Ok(_) => {}
    }
    match serde_json::from_slice::<Record>(bytes) {
        Err(_) => unreadable("it is damaged"),
        Ok(record) if record.image != image => unreadable("it is of another image"),
        Ok(record) => RecordState::Found(Box::new(record)),
    }
}
