//! Tests the docker backend against real engines, through its Rust API: with the classic image store and with
//! containerd's.
//!
//! Needs `IMGSPEC_TEST_DOCKER_CLASSIC` or `IMGSPEC_TEST_DOCKER_CONTAINERD`, and `IMGSPEC_TEST_REGISTRY`: `tests/run`
//! sets them.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

#[path = "docker_backend/bench.rs"]
mod bench;
#[path = "engine/mod.rs"]
mod engine;
#[path = "docker_backend/files.rs"]
mod files;
#[path = "docker_backend/install.rs"]
mod install;
#[path = "docker_backend/life.rs"]
mod life;
#[path = "docker_backend/quoting.rs"]
mod quoting;
#[path = "docker_backend/registry.rs"]
mod registry;
#[path = "engine/waiting.rs"]
mod waiting;
