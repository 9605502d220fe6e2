//! What is asked of a sandbox, and how it answers.

use std::path::{Path, PathBuf};

use super::plan::{Bounds, Device, Ids, Network, Owner, Status};

/// How many layers a sandbox can be given; the kernel's limit for an overlay.
pub(in crate::backend) const MOST_LAYERS: usize = 500;

/// The first argument with which the program starts as the nursery that sandboxes are forked from.
pub(super) const ARGUMENT: &str = "__nursery";

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
    /// A directory that outlives the program and can be written. What is in it belongs to root, as the program sees it, where files
    /// cannot tell their owners.
    Cache {
        /// The directory of this machine, which must be no link.
        directory: PathBuf,
        /// Where it appears.
        target: String,
    },
    /// A file or directory of this machine, read-only.
    ReadOnly {
        /// The file or directory of this machine, which must be no link.
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
            Self::ReadOnly { source, target } => write!(f, "{source:?} at {target}, read-only"),
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
    /// The owners of entries of `upper` where the files themselves cannot say it: with subordinate ids those that belong to others
    /// than 0:0, since they are handed over to the user who runs this; with a single id those whose owner was changed.
    pub(in crate::backend) owners: Vec<Owner>,
    /// Entries of `upper` that stand for devices, since only root can make these.
    pub(in crate::backend) devices: Vec<Device>,
}
