//! The graph in the languages of other programs: a bake file, a Makefile, a pipeline for a build server.
//!
//! Pure: what is written is made of [`Node`]s, and for builds without imgspec of the [`Build`]s that belong to them. Values
//! never become words of another language: each writer quotes as its reader unquotes.

mod bake;
mod make;
mod names;
mod node;
mod pipeline;

pub use bake::bake;
pub use make::{SCRIPT, make, script};
pub use names::named;
pub use node::{Build, Node};
pub use pipeline::{Pipeline, github_actions, gitlab};
