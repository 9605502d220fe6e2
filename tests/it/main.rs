//! End-to-end tests of the binary, in a hermetic sandbox with the fake backend.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod accounts;
mod browser;
mod build;
mod caches;
mod claims;
mod commands;
mod completion;
mod edit;
mod elsewhere;
mod embedded;
mod export;
mod faults;
mod flytekit;
mod groups;
mod import;
mod layout;
mod library;
mod lints;
mod live;
mod lock;
mod lsp;
mod memory;
mod mirrors;
mod narrow;
mod outputs;
mod page;
mod pictures;
mod plan;
mod proofs;
mod registry;
mod reliability;
mod sandbox;
mod standby;
mod store;
mod tour;
mod traps;
mod watch;
mod ways;
mod workspace;
