//! What is common to all who speak the OCI distribution protocol, and the exchange by which backends hand images on.

pub mod exchange;
pub mod manifest;
pub mod name;
pub(crate) mod reference;
pub(super) mod registry;
pub mod store;
