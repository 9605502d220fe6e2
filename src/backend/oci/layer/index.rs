//! What is in a layer: paths with their attributes, without contents. Enough to decide where later layers put what.

use serde::{Deserialize, Serialize};

use crate::backend::oci::name::Digest;

/// A layer's tar: what identifies it, how large it is, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Contents {
    /// The digest of the tar.
    pub(in crate::backend) diff_id: Digest,
    /// Its size in bytes.
    pub(in crate::backend) size: u64,
    pub(in crate::backend) index: Index,
}

/// The entries of a layer, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::backend) struct Index {
    pub(in crate::backend) nodes: Vec<Node>,
}

/// An entry: a path without slashes at its ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) struct Node {
    #[serde(rename = "p")]
    pub(in crate::backend) path: String,
    #[serde(rename = "k")]
    pub(in crate::backend) kind: NodeKind,
    #[serde(rename = "m", default)]
    pub(in crate::backend) mode: u32,
    #[serde(rename = "u", default)]
    pub(in crate::backend) uid: u64,
    #[serde(rename = "g", default)]
    pub(in crate::backend) gid: u64,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) enum NodeKind {
    #[serde(rename = "d")]
    Folder,
    /// A file; its text if something has to be looked up in it.
    #[serde(rename = "f")]
    File(Option<String>),
    /// A symbolic link.
    #[serde(rename = "l")]
    Link(String),
    /// Another name of a file in the same layer.
    #[serde(rename = "h")]
    HardLink(String),
    /// A device or a pipe.
    #[serde(rename = "s")]
    Special,
    /// The path is removed from the layers below.
    #[serde(rename = "w")]
    Whiteout,
    /// What the layers below have in this directory is removed.
    #[serde(rename = "o")]
    Opaque,
}
