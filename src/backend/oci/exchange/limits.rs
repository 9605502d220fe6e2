//! How much one client may ask for: the registry must not fill the memory nor wait for ever, whoever speaks to it.

use std::time::Duration;

/// Connections at once; each may hold one of the runtime's 512 threads for files.
pub(super) const CONNECTIONS: usize = 256;

/// Uploads at once: more than `docker push` makes of twenty images with five layers at a time.
pub(super) const UPLOADS: usize = 128;

/// An upload that nobody went on with for so long may be forgotten when there are too many.
pub(super) const IDLE: Duration = Duration::from_mins(2);

/// How long a connection may wait for its next request: longer than clients keep one, so that it is them who end it.
pub(super) const KEPT: Duration = Duration::from_mins(10);

/// How much of a body is read from, or written to, a file at once.
pub(super) const PIECE: usize = 256 << 10;

/// How much of a refused body is heard to its end, so that the client hears why instead of a broken connection.
pub(super) const HEARD: u64 = 64 << 20;
