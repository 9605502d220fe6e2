//! Addresses of `BuildKit`: behind a Docker daemon, at a socket of its own, or at a TCP port, with or without TLS.

use std::fmt;
use std::path::PathBuf;

use super::tls::Tls;

/// Where a `BuildKit` listens.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// Behind the socket of a Docker daemon, which upgrades connections to it.
    Daemon(PathBuf),
    /// At a socket of its own.
    Unix(PathBuf),
    /// At a TCP port.
    Tcp {
        host: String,
        port: u16,
        /// `None` if the connection is not encrypted.
        tls: Option<Tls>,
    },
}

impl Address {
    /// Whether results can only leave through their registry: nobody here can read the store behind this address.
    pub(super) fn is_apart(&self) -> bool {
        match self {
            Self::Daemon(_) => false,
            Self::Unix(_) | Self::Tcp { .. } => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(socket) | Self::Unix(socket) => write!(to, "unix://{}", socket.display()),
            Self::Tcp { host, port, .. } if host.contains(':') => {
                write!(to, "tcp://[{host}]:{port}")
            }
            Self::Tcp { host, port, .. } => write!(to, "tcp://{host}:{port}"),
        }
    }
}
