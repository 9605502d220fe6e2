//! What is in a layer: paths with their attributes, without contents. Enough to decide where later layers put what.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// The entries of a layer, in their order. Shared by its clones: every image on the layer has them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::backend) struct Index {
    #[serde(serialize_with = "write_nodes", deserialize_with = "read_nodes")]
    pub(in crate::backend) nodes: Arc<Vec<Node>>,
}

impl FromIterator<Node> for Index {
    fn from_iter<T: IntoIterator<Item = Node>>(nodes: T) -> Self {
        Self {
            nodes: Arc::new(nodes.into_iter().collect()),
        }
    }
}

/// An entry: a path without slashes at its ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) struct Node {
    pub(in crate::backend) path: Box<str>,
    pub(in crate::backend) kind: NodeKind,
    pub(in crate::backend) mode: u32,
    pub(in crate::backend) uid: u64,
    pub(in crate::backend) gid: u64,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) enum NodeKind {
    Folder,
    /// A file; its text if something has to be looked up in it.
    File(Option<String>),
    /// A symbolic link.
    Link(String),
    /// Another name of a file in the same layer.
    HardLink(String),
    /// A device or a pipe.
    Special,
    /// The path is removed from the layers below.
    Whiteout,
    /// What the layers below have in this directory is removed.
    Opaque,
}

fn write_nodes<S: Serializer>(nodes: &[Node], to: S) -> Result<S::Ok, S::Error> {
    nodes.serialize(to)
}

fn read_nodes<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Vec<Node>>, D::Error> {
    Vec::deserialize(from).map(Arc::new)
}
