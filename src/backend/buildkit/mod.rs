//! Builds by `BuildKit`: what is asked of it, the ways to ask, what it says meanwhile, what its failures mean.
//!
//! Knows neither a builder nor a daemon, so that every builder whose builds end in a `BuildKit` shares it, wherever that runs.

mod client;
mod connection;
mod direct;
pub(crate) mod failure;
mod gateway;
pub(crate) mod options;
pub(crate) mod passing;
pub(crate) mod progress;
pub(crate) mod request;
mod session;
mod transfer;
mod tree;
mod unfetched;

pub(crate) use client::{BuildKit, Ended};
pub(crate) use connection::dial;
