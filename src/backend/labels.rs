//! The labels that say what an image is, whoever built it.

pub(crate) const KEY: &str = "dev.imgspec.key";

pub(crate) const IMAGE: &str = "dev.imgspec.image";

/// OCI's own: the reference of what it was built on.
pub(crate) const BASE: &str = "org.opencontainers.image.base.name";

/// OCI's own: the digest of that.
pub(crate) const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// Whether a label's name is one of ours, which no manifest may set.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with("dev.imgspec.")
}
