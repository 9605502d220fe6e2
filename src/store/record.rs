//! The build record of an image, and its validation.
//!
//! A record with another schema is not converted but counts as never built; building again is always correct.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::backend::{Artifact, StoreKind};
use crate::fingerprint::{Input, Key};

/// Version of the record format.
pub const SCHEMA: u32 = 1;

/// The longest duration of a build that is believed, in seconds: a month.
const LONGEST: f64 = 30.0 * 24.0 * 3600.0;

/// The largest number of bases that is believed.
const MOST_BASES: usize = 10_000;

/// The longest text that says who built an image, in characters.
pub(crate) const LONGEST_NAME: usize = 200;

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
    /// Who built it, in the words of `IMGSPEC_BUILT_BY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// The inputs of one key of one image, as stored.
#[derive(Serialize, Deserialize)]
struct Listing {
    version: u32,
    image: String,
    key: Key,
    inputs: Vec<Input>,
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

    /// The record and the inputs of its key, as they are stored and sent to registries.
    pub(crate) fn texts(&self, inputs: &[Input]) -> (Vec<u8>, Vec<u8>) {
        let listing = Listing {
            version: SCHEMA,
            image: self.image.clone(),
            key: self.key,
            inputs: inputs.to_vec(),
        };
        (json(self), json(&listing))
    }

    /// The inputs of this record's key; `None` if the text has those of another one, or is damaged.
    pub(crate) fn read_inputs(&self, bytes: &[u8]) -> Option<Vec<Input>> {
        let listing: Listing = serde_json::from_slice(bytes).ok()?;
        let ours =
            listing.version == SCHEMA && listing.image == self.image && listing.key == self.key;
        ours.then_some(listing.inputs)
    }

    /// Reads a record of an image that a registry sent, where anybody may have written it.
    pub(crate) fn received(image: &str, bytes: &[u8]) -> RecordState {
        match parse(image, bytes) {
            RecordState::Found(record) if !record.is_plausible() => {
                RecordState::Unreadable("it says what cannot be".to_owned())
            }
            state => state,
        }
    }

    fn is_plausible(&self) -> bool {
        let is_time = self.finished.parse::<jiff::Timestamp>().is_ok();
        let by = self.by.as_deref().unwrap_or_default();
        is_time
            && (0.0..LONGEST).contains(&self.seconds)
            && self.bases.len() <= MOST_BASES
            && by.chars().count() <= LONGEST_NAME
            && !by.contains(char::is_control)
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("names and plain values are JSON");
    bytes.push(b'\n');
    bytes
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

    #[test]
    fn what_a_registry_sends_is_believed_only_if_it_can_be() {
        let state = |text: &str| Record::received("app", text.as_bytes());
        let is_found = |text: &str| matches!(state(text), RecordState::Found(_));
        assert!(is_found(OLDER));
        let with = |from: &str, to: &str| {
            assert!(OLDER.contains(from), "{from}");
            OLDER.replace(from, to)
        };
        assert!(is_found(&with("\"seconds\": 1.5", "\"seconds\": 0")));
        assert!(is_found(&with(
            "\"version\"",
            "\"by\": \"run 7\", \"version\""
        )));
        let long = format!("\"by\": \"{}\", \"version\"", "x".repeat(201));
        for lie in [
            with("1.5", "-1.5"),
            with("1.5", "1e300"),
            with("2026-01-02T03:04:05Z", "yesterday"),
            with("2026-01-02T03:04:05Z", "\\u001b[2J"),
            with("\"version\"", &long),
            with("\"version\"", "\"by\": \"a\\nb\", \"version\""),
            with("\"app\"", "\"other\""),
            with("\"version\": 1", "\"version\": 2"),
            with("{}", "[]"),
            "[".repeat(100_000),
            String::new(),
        ] {
            let state = state(&lie);
            assert!(matches!(state, RecordState::Unreadable(_)), "{state:?}");
        }
    }

    #[test]
    fn inputs_belong_to_one_key_of_one_image() {
        let RecordState::Found(record) = parse("app", OLDER.as_bytes()) else {
            panic!("it is whole");
        };
        let inputs = vec![Input {
            name: "user".to_owned(),
            value: "1000".to_owned(),
        }];
        let (text, listing) = record.texts(&inputs);
        assert_eq!(parse("app", &text), RecordState::Found(record.clone()));
        assert_eq!(record.read_inputs(&listing), Some(inputs));
        let mut other = record.clone();
        other.image = "other".to_owned();
        assert_eq!(other.read_inputs(&listing), None);
        let mut other = record.clone();
        other.key = Key::new([1; 32]);
        assert_eq!(other.read_inputs(&listing), None);
        assert_eq!(record.read_inputs(b"{}"), None);
    }
}
