//! Feeds parsers and their callers inputs of their own grammar, good and spoilt, and asks of each what must hold.
//!
//! Stable Rust alone: inputs are made by grammars instead of being found by coverage, so a run is the same everywhere and a
//! failing input is one number. A target lives here, or where what it calls is private as a module `fuzz` beside that;
//! `cargo test --lib fuzz::` runs them all. `IMGSPEC_FUZZ_RUNS` says how many inputs each gets, `IMGSPEC_FUZZ_SEED` where
//! they begin; docs/reliability.md has the figures of the long run.

pub(crate) mod dockerfile;
mod driver;
mod ignore;
mod names;
mod random;
mod records;
mod requirements;

pub(crate) use driver::{Case, Fuzz};
pub(crate) use random::Random;
