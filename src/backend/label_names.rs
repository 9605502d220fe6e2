//! The names under which an image says what it is, in labels of its config and in annotations of its manifest.

/// The key of the image.
pub(crate) const KEY: &str = "dev.imgspec.key";

/// The id of the image in its workspace.
pub(crate) const IMAGE: &str = "dev.imgspec.image";

/// The platform of an image, as an annotation of its manifest: with that and the key there, nobody has to fetch the config to
/// know what it is.
pub(crate) const PLATFORM: &str = "dev.imgspec.platform";
