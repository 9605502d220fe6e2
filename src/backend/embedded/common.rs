//! What the files of the embedded builder share: its name, limits, notes of images, and forms of errors.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use crate::backend::BuildError;
pub(super) use crate::backend::oci::at_once::at_once;
use crate::backend::oci::lend::BUILDER;
use crate::backend::oci::store::StoreError;
use crate::backend::sandbox::{self, Mode};

/// The name by which manifests choose it.
pub(super) const NAME: &str = BUILDER;

/// The largest manifest or config, in bytes.
pub(super) const LARGEST: u64 = 16 << 20;

/// What is kept of a built image.
#[derive(Serialize, Deserialize)]
pub(super) struct ImageNote {
    pub(super) reference: String,
    pub(super) key: String,
    pub(super) digest: String,
}

/// How the names of the notes of layers by key begin.
pub(super) const MADE: &str = "made-";

impl ImageNote {
    /// How the names of these notes begin.
    pub(super) const START: &str = "image-";

    pub(super) fn name(reference: &str) -> String {
        format!(
            "{}{}",
            Self::START,
            blake3::hash(reference.as_bytes()).to_hex()
        )
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
pub(super) fn failed(error: impl Display) -> BuildError {
    BuildError::Failed(error.to_string())
}

/// A damaged blob is removed when it is found, so the next attempt makes or fetches it again.
#[allow(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
pub(super) fn stored(error: StoreError) -> BuildError {
    let why = error.to_string();
    match error {
        StoreError::Damaged(_) => passing(why),
        _ => BuildError::Failed(why),
    }
}

pub(super) fn passing(why: String) -> BuildError {
    BuildError::Transient(why)
}

/// How this machine isolates programs.
pub(super) fn mode() -> Result<Mode, BuildError> {
    sandbox::probe().map_err(|forbidden| {
        BuildError::Failed(format!("commands cannot run on this machine: {forbidden}"))
    })
}
