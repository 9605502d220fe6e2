//! `imgspec.lock`: the resolved digests of outside images and packages, so that a tag or a requirement keeps its content
//! until it is deliberately updated.
//!
//! The file is read along with the manifests and written only by `imgspec lock`; nothing else resolves again what is locked.
//! The format and its rationale are in `docs/design/lock.md`.

mod answers;
mod debian;
mod file;
mod packages;
mod renew;
mod text;
mod versions;

pub use debian::{DebianNeed, renew_debian};
pub(crate) use file::read;
pub use file::{LockFile, WriteError};
pub use packages::{FailedPackages, PackageNeed, PackageRenewal, renew_packages};
pub use renew::{Change, Chosen, Failed, Look, Need, Renewal, Which, changes, look, renew};
pub use versions::{PackageChange, new_debian, package_changes};
