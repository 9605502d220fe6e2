//! Computes keys: file sets → digests, recipe → key.
//!
//! A key is the hash of an encoding that is defined once, through a trait, and used twice (hashed, and listed for
//! `explain`), so that the two cannot disagree.

mod below;
mod credentials;
mod debian;
mod encode;
pub mod files;
pub mod flytekit;
mod hash;
pub mod ignore;
mod images;
mod key;
mod listing;
mod naming;
mod outside;
mod packages;
mod workspace;

pub use below::{debian_below, debian_locked, debian_outside, python_base};
pub(crate) use credentials::without_credentials;
pub use encode::key;
pub use files::{Entry, EntryKind, FileReader, Files, FilesError, Trust, read_files};
pub(crate) use files::{INDEX, index_lines, requirement_lines};
pub use images::{Fingerprint, FingerprintError, fingerprint};
pub use key::{BadKey, Key};
pub use listing::{Change, Input, diff, inputs};
pub use naming::{Namer, flytekit_ids, namers};
pub(crate) use outside::dockerfile_text;
pub use outside::{Outside, Pins};
pub use packages::{Installing, are_hashed};
pub use workspace::{BadSet, Fingerprints};
