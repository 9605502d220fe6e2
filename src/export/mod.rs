//! The graph in the languages of other programs: a bake file, a Makefile, a pipeline for a build server; and images in their
//! files: deployments that name them.
//!
//! Pure: what is written is made of [`Node`]s, and for builds without imgspec of the [`Build`]s that belong to them. Values
//! never become words of another language: each writer quotes as its reader unquotes.

mod bake;
mod make;
mod matrix;
mod names;
mod node;
mod pipeline;
pub mod resolve;

pub use bake::bake;
pub use make::{SCRIPT, make, script};
pub use matrix::{Job, LIMIT as MATRIX_LIMIT, github_matrix};
pub use names::named;
pub use node::{Build, Node};
pub use pipeline::{Pipeline, github_actions, gitlab};
