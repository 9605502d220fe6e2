//! The OCI distribution protocol: common types, the registry client, the blob store, and the exchange through which
//! backends pass on images.

pub(super) mod archive;
pub(super) mod at_once;
pub mod exchange;
pub(super) mod hosts;
pub(super) mod known;
pub(super) mod layer;
pub(super) mod lend;
pub mod manifest;
pub mod name;
pub(super) mod origin;
pub(crate) mod reference;
pub(super) mod registry;
pub mod store;
pub(super) mod tree;
pub(super) mod web;
