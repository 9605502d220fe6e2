//! `imgspec.lock`: the resolved digests of outside images, so that a tag keeps its content until it is deliberately updated.
//!
//! The file is read along with the manifests and written only by `imgspec lock`; nothing else resolves a locked image again.
//! The format and its rationale are in `docs/design/lock.md`.

mod file;
mod renew;
mod text;

pub(crate) use file::read;
pub use file::{LockFile, WriteError};
pub use renew::{Change, Failed, Look, Need, Renewal, Which, changes, look, renew};
