//! What the files of the embedded builder share: its name, limits, notes of images, and forms of errors.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::backend::BuildError;

/// The name by which manifests choose it.
pub(super) const NAME: &str = "oci";

/// The largest manifest or config, in bytes.
pub(super) const LARGEST: u64 = 16 << 20;

/// What is kept of a built image.
#[derive(Serialize, Deserialize)]
pub(super) struct ImageNote {
    pub(super) reference: String,
    pub(super) key: String,
    pub(super) digest: String,
}

impl ImageNote {
    pub(super) fn name(reference: &str) -> String {
        format!("image-{}", blake3::hash(reference.as_bytes()).to_hex())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
pub(super) fn failed(error: impl Display) -> BuildError {
    BuildError::Failed(error.to_string())
}

pub(super) fn passing(why: String) -> BuildError {
    BuildError::Transient(why)
}
