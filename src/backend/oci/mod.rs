//! What is common to all who speak the OCI distribution protocol.

pub(super) mod reference;
pub(super) mod registry;
