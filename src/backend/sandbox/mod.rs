//! Runs one program over directories of unpacked layers, isolated from the machine, and says how it ended.
//!
//! It knows nothing about images, recipes and registries. A sandbox is this program once more, because namespaces can only be entered by a
//! process without other threads; so nothing has to be installed, and nothing runs as a daemon. It is forked from a process that was
//! started with a hidden first argument ([`serve`]), and gets its plan on a socket. What is isolated, and from what:
//! `docs/design/sandbox.md`.

mod asked;
mod error;
mod frames;
mod others;
mod plan;
mod probe;
#[cfg(target_os = "linux")]
mod ranges;
mod reasons;
mod start;
mod supervise;

#[cfg(target_os = "linux")]
mod asker;
#[cfg(target_os = "linux")]
mod devices;
#[cfg(target_os = "linux")]
mod errands;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod ids;
#[cfg(target_os = "linux")]
mod init;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod nursery;
#[cfg(target_os = "linux")]
mod overlay;
#[cfg(target_os = "linux")]
mod owners;
#[cfg(target_os = "linux")]
mod passing;
#[cfg(target_os = "linux")]
mod restrict;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod witness;

pub(in crate::backend) use asked::{Exit, MOST_LAYERS, Mount, Run};
pub(in crate::backend) use error::SandboxError;
pub(in crate::backend) use others::{Owned, empty, give};
pub(in crate::backend) use plan::{Bounds, Ids, Mode, Network, Status};
pub(in crate::backend) use probe::{expect_in, probe, remark};

use asked::ARGUMENT;

use crate::cancel::Cancel;
use crate::process::Stream;

/// Runs a program to its end and passes on what it prints, as it comes. When this returns, everything that the program started has
/// ended too, and nothing is mounted any more.
///
/// # Errors
///
/// Fails if the machine forbids it, if the program cannot be started, if it was cancelled, or if it used up the disk.
pub(in crate::backend) fn run(
    run: &Run<'_>,
    cancel: &Cancel,
    output: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Exit, SandboxError> {
    if run.lower.len() > MOST_LAYERS {
        return Err(SandboxError::TooManyLayers(run.lower.len()));
    }
    let mode = probe()?;
    supervise::supervise(run, mode, cancel, output)
}

/// Makes this process the nursery that sandboxes are forked from if it was started as that, and then does not return. Must be called before this
/// process has threads; once it was, this program is the one that sandboxes are started from.
pub(in crate::backend) fn serve() {
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|it| it == ARGUMENT) {
        nursery::serve();
    }
    start::this_program_serves();
}

/// Ends the process that sandboxes are forked from, if there is one, and waits for its end.
pub(in crate::backend) fn end() {
    start::end();
}
