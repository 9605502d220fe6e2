//! What backends are asked about images.

/// An image whose existence is to be checked.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The reference, `registry/name:tag`.
    pub reference: &'a str,
    /// Where it must exist.
    pub place: StoreKind,
    /// The platforms that it must support.
    pub platforms: &'a [String],
}

/// An outside image to be resolved.
#[derive(Debug, Clone, Copy)]
pub struct Outsider<'a> {
    /// The reference, by tag or by digest: `name@sha256:…`.
    pub reference: &'a str,
    /// The platforms that it must support.
    pub platforms: &'a [String],
}

/// An image that is to be built on one of several nodes.
#[derive(Debug, Clone)]
pub struct Unplaced<'a> {
    /// The image's id.
    pub image: &'a str,
    /// The platforms that it must support.
    pub platforms: &'a [String],
    /// The ids of its bases.
    pub bases: Vec<&'a str>,
}

/// The stores in which an artifact can be.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// The backend's own store on this machine (or its daemon's).
    Local,
    /// The registry in the reference.
    Registry,
}
