//! Builds with `BuildKit`: requests, transports, progress and the interpretation of failures.
//!
//! Independent of any builder and daemon, so that every builder that ends up in a `BuildKit` can share it, wherever it
//! runs.

pub(crate) mod address;
pub(crate) mod attest;
pub(crate) mod caches;
mod client;
mod connection;
mod direct;
pub(crate) mod failure;
mod gateway;
pub(crate) mod options;
pub(crate) mod passing;
pub(crate) mod pool;
pub(crate) mod progress;
mod remote;
pub(crate) mod request;
mod session;
pub(crate) mod tls;
mod transfer;
mod tree;
mod tunnel;
mod unfetched;

pub(crate) use client::{BuildKit, Ended};
pub(crate) use connection::dial;
