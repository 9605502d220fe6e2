//! The nodes of one `defaults`, `template` or `image` → a layer of decoded fields; every mistake in them.
//!
//! A field that is wrong is told and left out, so that the rest is still looked at. The fields are those of
//! [`crate::spec::fields`]; a new one of a known kind needs nothing here, a new kind of field one arm in `layer`.

mod decoded;
mod decoder;
mod dockerfile;
mod files;
mod layer;
mod scope;
mod secrets;
mod steps;
mod texts;

pub(super) use decoded::{Decoded, Entry, Layer};
pub(super) use decoder::Decoder;
pub(super) use layer::TOP_NODES;
pub(super) use scope::{NO_NAMES, Name, Scope, Seen, UNDECLARED};
