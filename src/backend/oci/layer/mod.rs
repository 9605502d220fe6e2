//! Layers of images: canonical tar, compressed, with an index of what is in them.
//!
//! The same content gives the same bytes on every machine, so equal layers are stored and sent once.

mod compress;
#[cfg(test)]
mod fuzz;
mod index;
mod kept;
mod meter;
mod pack;
mod plain;
mod read;
mod splice;
mod tar;
#[cfg(test)]
mod tests;
mod write;

pub(in crate::backend) use compress::{Encoding, Heads};
pub(in crate::backend) use index::{Contents, Index, Node, NodeKind};
pub(in crate::backend) use meter::{Meter, is_interruption};
pub(in crate::backend) use pack::pack;
pub(in crate::backend) use plain::{Compression, peek, plain};
pub(in crate::backend) use read::{LayerError, inside, read};
pub(in crate::backend) use tar::{EPOCH, Entry, EntryKind, XATTR, Xattr};
pub(in crate::backend) use write::{Layer, LayerWriter};
