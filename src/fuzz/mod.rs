//! Feeds generated inputs, valid and corrupted, to parsers and their callers, and checks invariants.
//!
//! Needs only stable Rust: inputs come from grammars rather than coverage feedback, so that runs are reproducible everywhere
//! and a failing input is identified by one number. A target is here or, if what it calls is private, in a module `fuzz`
//! beside that. `cargo test --lib fuzz::` runs them all. `IMGSPEC_FUZZ_RUNS` sets the number of inputs per target,
//! `IMGSPEC_FUZZ_SEED` the first seed; docs/reliability.md has the results of a long run.

pub(crate) mod dockerfile;
mod driver;
mod ignore;
mod names;
mod random;
mod records;
mod requirements;

pub(crate) use driver::{Case, Fuzz};
pub(crate) use random::Random;
