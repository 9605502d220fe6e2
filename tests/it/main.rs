//! The program, end to end, through one hermetic sandbox and the fake backend.

mod build;
mod commands;
mod plan;
mod reliability;
mod sandbox;
mod watch;
