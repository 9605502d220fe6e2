//! The labels that identify an image, whichever builder made it.

pub(crate) const KEY: &str = "dev.imgspec.key";

pub(crate) const IMAGE: &str = "dev.imgspec.image";

/// OCI's standard label for the reference of the base image.
pub(crate) const BASE: &str = "org.opencontainers.image.base.name";

/// OCI's standard label for the digest of the base image.
pub(crate) const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// Whether a label's name is reserved for imgspec, so that no manifest may set it.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with("dev.imgspec.")
}
