//! Runs one program over directories of unpacked layers, isolated from the machine, and says how it ended.
//!
//! It knows nothing about images, recipes and registries. A sandbox is this program once more, started with a hidden first
//! argument ([`serve`]) and a plan on a socket, because namespaces can only be entered by a process without other threads; so
//! nothing has to be installed, and nothing runs as a daemon. What is isolated, and from what: `docs/design/sandbox.md`.

#![allow(dead_code, unused_imports, reason = "what runs commands comes next")]

mod error;
mod frames;
mod plan;
mod probe;
#[cfg(target_os = "linux")]
mod ranges;
mod reasons;
mod supervise;

#[cfg(target_os = "linux")]
mod devices;
#[cfg(target_os = "linux")]
mod filter;
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
mod overlay;
#[cfg(target_os = "linux")]
mod owners;
#[cfg(target_os = "linux")]
mod restrict;
#[cfg(target_os = "linux")]
mod sys;

use std::path::{Path, PathBuf};

pub(in crate::backend) use error::{Forbidden, SandboxError};
pub(in crate::backend) use plan::{Bounds, Ids, Mode, Network, Status};
pub(in crate::backend) use probe::probe;

use crate::cancel::Cancel;
use crate::process::Stream;

/// How many layers a sandbox can be given; the kernel's limit for an overlay.
pub(in crate::backend) const MOST_LAYERS: usize = 500;

/// The first argument with which the program starts as a sandbox.
const ARGUMENT: &str = "__sandbox";

/// One program to run over layers.
#[derive(Debug, Clone, Copy)]
pub(in crate::backend) struct Run<'a> {
    /// The unpacked layers, lowest first; none for an empty root. What they were made from marks removed files as overlayfs does
    /// with `userxattr`: a character device 0:0, `user.overlay.opaque`.
    pub(in crate::backend) lower: &'a [PathBuf],
    /// An empty directory, which receives what the program changes.
    pub(in crate::backend) upper: &'a Path,
    /// An empty directory on the same file system as `upper`, for the sandbox's own use.
    pub(in crate::backend) work: &'a Path,
    /// The program, by path or by name to be found in the `PATH` of `env`, and its arguments.
    pub(in crate::backend) argv: &'a [String],
    /// The whole environment.
    pub(in crate::backend) env: &'a [(String, String)],
    /// The working directory, absolute.
    pub(in crate::backend) cwd: &'a str,
    /// As whom the program runs.
    pub(in crate::backend) user: &'a Ids,
    /// What of the network the program sees.
    pub(in crate::backend) network: Network,
    /// What else it sees, beside the layers.
    pub(in crate::backend) mounts: &'a [Mount],
    /// The host name inside.
    pub(in crate::backend) hostname: &'a str,
    /// How much it may use.
    pub(in crate::backend) bounds: Bounds,
}

/// Something that a program sees and that does not become part of what it changed. Targets are absolute paths inside, whose links
/// are followed inside.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::backend) enum Mount {
    /// A file in memory that only its user can read.
    Secret {
        /// Where it appears.
        target: String,
        /// What is in it.
        content: Vec<u8>,
        /// Whose it is.
        uid: u32,
    },
    /// A directory that outlives the program and can be written.
    Cache {
        /// The directory of this machine.
        directory: PathBuf,
        /// Where it appears.
        target: String,
    },
    /// A file of this machine, read-only.
    File {
        /// The file of this machine.
        source: PathBuf,
        /// Where it appears.
        target: String,
    },
    /// A directory of this machine, read-only.
    Directory {
        /// The directory of this machine.
        source: PathBuf,
        /// Where it appears.
        target: String,
    },
}

impl std::fmt::Debug for Mount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret { target, .. } => write!(f, "secret at {target}"),
            Self::Cache { directory, target } => write!(f, "cache {directory:?} at {target}"),
            Self::File { source, target } => write!(f, "file {source:?} at {target}"),
            Self::Directory { source, target } => write!(f, "directory {source:?} at {target}"),
        }
    }
}

/// How a program ended, and what has to be known to read `upper`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Exit {
    /// The status or signal.
    pub(in crate::backend) status: Status,
    /// Entries of `upper` that exist only as places to mount something, by absolute path inside: not the program's doing.
    pub(in crate::backend) made: Vec<PathBuf>,
    /// Entries of `upper` that belong to others than 0:0, by absolute path inside, where the files themselves cannot say it: with
    /// subordinate ids they are handed over to the user who runs this. Empty where the files tell their owners.
    pub(in crate::backend) owners: Vec<(PathBuf, u32, u32)>,
}

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

/// Makes this process a sandbox if it was started as one, and then does not return. Must be called before this process has threads;
/// once it was, this program is the one that sandboxes are started from.
pub(in crate::backend) fn serve() {
    #[cfg(target_os = "linux")]
    if std::env::args_os().nth(1).is_some_and(|it| it == ARGUMENT) {
        inside::enter();
    }
    supervise::this_program_serves();
}
