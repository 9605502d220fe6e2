//! What `clean` asks of builders, and what they removed.

use std::time::Duration;

/// What to remove of a builder's store beside what killed runs left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanUp {
    /// What was last used longer ago.
    pub older_than: Option<Duration>,
    /// What was not used for the longest time, until the store has at most this many bytes.
    pub max_size: Option<u64>,
    /// Only find out what would be removed.
    pub dry_run: bool,
}

/// What was removed, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Temporary names of images.
    pub names: usize,
    /// Images that were built.
    pub images: usize,
    /// Layers and other parts.
    pub blobs: usize,
    /// The bytes of all of it, as far as they are known.
    pub bytes: u64,
    /// Whether another run uses the store, so that what was asked for was not done.
    pub is_busy: bool,
}

impl Cleaned {
    pub(super) fn names(names: usize) -> Self {
        Self {
            names,
            ..Self::default()
        }
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            names: self.names + other.names,
            images: self.images + other.images,
            blobs: self.blobs + other.blobs,
            bytes: self.bytes + other.bytes,
            is_busy: self.is_busy || other.is_busy,
        }
    }
}
