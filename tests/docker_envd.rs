//! End-to-end tests of the envd backend: the real envd on real engines, together with images of the docker backend.
//!
//! `tests/run` provides the engine and envd (`IMGSPEC_TEST_ENVD`; with `none` these tests are skipped, which it reports
//! at its end).

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

#[path = "docker_envd/bench.rs"]
mod bench;
#[path = "docker_envd/build.rs"]
mod build;
#[path = "docker_envd/contexts.rs"]
mod contexts;
#[path = "engine/mod.rs"]
mod engine;
#[path = "docker_envd/lock.rs"]
mod lock;
#[path = "docker_envd/mixed.rs"]
mod mixed;
#[path = "docker_envd/refusals.rs"]
mod refusals;
#[path = "docker_envd/same.rs"]
mod same;
#[path = "it/sandbox.rs"]
#[allow(dead_code, reason = "the sandbox serves several test programs")]
mod sandbox;
#[path = "engine/waiting.rs"]
mod waiting;
