//! What is common to all who speak the OCI distribution protocol.

pub mod reference;
pub mod registry;
