//! imgspec builds all container images of a repository from one declarative file: only what changed, bases first, as parallel
//! as the graph allows, with whichever builder is available.
//!
//! The data flow, with one module per arrow:
//!
//! ```text
//! imgspec.kdl ─ manifest ▶ Workspace ─ graph ▶ Graph ─ recipe ▶ Recipes ─ fingerprint ▶ Keys ─ plan ▶ Plan ─ run ▶ Events + Records
//!                                                                              ▲  store ◀────────────────────────────┘
//! ```
//!
//! A program can also define images directly, without a manifest: see [`images`].
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! use imgspec::{ImageSpec, Images};
//!
//! let mut images = Images::new(folder.path());
//! images.add("app", ImageSpec::new("team/app").with_apt_packages(["git"]));
//! assert!(images.reference("app")?.starts_with("team/app:"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything to the left of [`run`] is pure except for reading files. Only [`run`] and the [`backend`]s start processes or
//! create images; only [`report`] prints.
//!
//! # Floors
//!
//! A module uses only modules on lower floors. A test checks this list against the sources.
//!
//! ```text
//! cli
//! lsp
//! edit images ui watch
//! export import report session view
//! run
//! plan
//! world
//! check
//! lock
//! manifest store
//! backend
//! fingerprint
//! git graph recipe reference
//! process workspace
//! asking clean spec yaml
//! cancel columns diagnostic disk limits loopback notes suggest
//! ```

pub mod asking;
pub mod backend;
pub mod cancel;
pub mod check;
mod clean;
pub mod cli;
mod columns;
pub mod diagnostic;
mod disk;
pub mod edit;
pub mod export;
pub mod fingerprint;
#[cfg(test)]
mod fuzz;
mod git;
pub mod graph;
pub mod images;
pub mod import;
pub mod limits;
pub mod lock;
mod loopback;
mod lsp;
pub mod manifest;
pub mod notes;
pub mod plan;
pub mod process;
pub mod recipe;
pub mod reference;
pub mod report;
pub mod run;
pub mod session;
pub mod spec;
pub mod store;
pub mod suggest;
pub mod ui;
pub mod view;
pub mod watch;
pub mod workspace;
pub mod world;
mod yaml;

pub use images::{BackendRegistry, Images, Proposal, Request};
pub use run::Event;
pub use spec::ImageSpec;
