//! The program, end to end, through one hermetic sandbox and the fake backend.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod build;
mod commands;
mod edit;
mod faults;
mod flytekit;
mod import;
mod library;
<<<<<<< HEAD
mod lints;
=======
mod lock;
>>>>>>> d9c7b37 (imgspec lock: what outside images are is written down, enters keys and builds, and moves only when asked)
mod outputs;
mod plan;
mod reliability;
mod sandbox;
mod tour;
mod traps;
mod watch;
mod ways;
mod workspace;
