//! `imgspec.lock`: what outside images are, so that one tag has one content until somebody says otherwise.
//!
//! The file is read with the manifests and written by `imgspec lock` alone; nothing else looks a locked image up again. The
//! format, and why it is so, is in `docs/design/lock.md`.

mod file;
mod renew;
mod text;

pub(crate) use file::read;
pub use file::{LockFile, WriteError};
pub use renew::{Change, Failed, Look, Need, Renewal, Which, changes, look, renew};
