//! What stores and registries answer about images: whether they exist, and what a tag points to.

use super::platform::{self, Platform};
use crate::fingerprint::Key;
use crate::workspace::Locked;

/// The current content of an outside image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The image, with the manifests of the requested platforms.
    pub locked: Locked,
    /// Why the answer comes from the local store rather than the registry; `None` if it comes from the registry.
    pub instead: Option<String>,
}

/// Why an outside image could not be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The image exists, but not for these platforms.
    #[error("it is not available for {}, only for {}", .missing.join(" and "), .there.join(", "))]
    Foreign {
        /// The requested platforms that it lacks.
        missing: Vec<String>,
        /// The platforms that it supports.
        there: Vec<String>,
    },
    /// Its registry does not have it.
    #[error("its registry does not have it")]
    Absent,
    /// There was no answer; contains the reason.
    #[error("{0}")]
    Unknown(String),
}

impl Unresolved {
    /// What to do about an image that is not for a requested platform. Docker tells of one platform of an image, whatever the
    /// store has.
    pub(crate) const MEND_FOREIGN: &str = "build for a platform that it supports, or use another image; one that only the local store \
         has is known there for one platform: push it to a registry for all of them";
}

impl Existence {
    /// Whether the image exists, with this key.
    pub fn has(&self, key: &Key) -> bool {
        matches!(self, Self::Present { key: Some(label), .. } if key.is(label))
    }

    /// Whether two names of one place name the same image.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Present { key, digest, .. },
                Self::Present {
                    key: other_key,
                    digest: other,
                    ..
                },
            ) => key == other_key && (digest == other || digest.is_empty() || other.is_empty()),
            _ => false,
        }
    }

    /// `Present` if the image supports all platforms, else `Incomplete`.
    pub(super) fn present(
        key: Option<String>,
        digest: String,
        size: Option<u64>,
        there: &[Platform],
        wanted: &[String],
    ) -> Self {
        let missing = platform::missing(there, wanted);
        if missing.is_empty() {
            return Self::Present { key, digest, size };
        }
        let missing = missing.into_iter().map(str::to_owned).collect();
        Self::Incomplete { missing }
    }
}

/// Whether a reference exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existence {
    /// The image exists.
    Present {
        /// The value of the image's `dev.imgspec.key` label.
        key: Option<String>,
        /// The image id or manifest digest.
        digest: String,
        /// How many bytes it takes in the store, if the store says so.
        size: Option<u64>,
    },
    /// The image exists, but not for all platforms.
    Incomplete {
        /// The platforms that it lacks.
        missing: Vec<String>,
    },
    /// The image does not exist.
    Absent,
    /// There was no answer; never treated as `Present`.
    Unknown {
        /// The reason.
        why: String,
    },
}
