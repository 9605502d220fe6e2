//! Addresses of `BuildKit`: behind a Docker daemon, or one of its own, which may be encrypted.

use std::path::PathBuf;

use super::tls::Tls;
use crate::backend::elsewhere;

/// Where a `BuildKit` listens.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// Behind the socket of a Docker daemon, which upgrades connections to it.
    Daemon(PathBuf),
    /// At an address of its own. Results can only leave through their registry: nobody here reads its store.
    Own {
        at: elsewhere::Address,
        /// How TCP connections are encrypted; `None` if they are not.
        tls: Option<Tls>,
    },
}
