//! Decodes the children of a `defaults`, `template` or `image` node into a layer of fields, reporting every mistake in them.
//!
//! An invalid field is reported and left out, so that the rest is still checked. The fields are those in
//! [`crate::spec::fields`]: a new one of an existing kind needs no change here, a new kind one arm in `layer`.

mod decoded;
mod decoder;
mod dockerfile;
mod files;
mod known;
mod layer;
mod runtime;
mod scope;
mod secrets;
mod steps;
mod texts;

pub(super) use decoded::{Decoded, Entry, Layer};
pub(super) use decoder::Decoder;
pub(crate) use known::inside;
pub(super) use known::{EXTENDING, OF_IMAGE, OF_TEMPLATE, OF_VARIABLE, TOP_NODES};
pub(super) use scope::{NO_NAMES, Name, Scope, Seen, UNDECLARED};
