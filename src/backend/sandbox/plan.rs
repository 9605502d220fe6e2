//! What a sandbox is told when it starts, and what it tells. Both ends are the same program, so this has no versions; a sandbox that
//! is started from another version of the program refuses.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How this machine isolates a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) enum Mode {
    /// As root: every owner is kept as it is.
    Root,
    /// As an ordinary user who was given subordinate ids: owners are what the program sees.
    Subordinate {
        /// The first subordinate user id and how many there are.
        uids: (u32, u32),
        /// The first subordinate group id and how many there are.
        gids: (u32, u32),
    },
    /// As an ordinary user with nothing but the own id: changes of owners are answered as done, and all files are the user's.
    Single,
}

/// As whom a program runs, by numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) struct Ids {
    /// The user.
    pub(in crate::backend) uid: u32,
    /// The group.
    pub(in crate::backend) gid: u32,
    /// Additional groups.
    pub(in crate::backend) groups: Vec<u32>,
}

/// What a program sees of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) enum Network {
    /// What this machine sees.
    Host,
    /// A loopback interface of its own.
    None,
}

/// How much a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) struct Bounds {
    /// How many processes and threads may exist at once; the kernel takes no fewer than 301.
    pub(in crate::backend) processes: u32,
    /// How many files a process may have open.
    pub(in crate::backend) files: u64,
    /// How large a file may become, in bytes.
    pub(in crate::backend) file_size: Option<u64>,
    /// The program is ended when the file system of `upper` has fewer bytes left than this.
    pub(in crate::backend) reserve: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            processes: 16_384,
            files: 65_536,
            file_size: None,
            reserve: 256 << 20,
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) enum Status {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// An entry, by absolute path inside, with its user and group as far as they are known.
pub(in crate::backend) type Owner = (PathBuf, Option<u32>, Option<u32>);

/// An entry, by absolute path inside, whether it is a block device, and its numbers.
pub(in crate::backend) type Device = (PathBuf, bool, u32, u32);

/// Everything that a sandbox needs to know. Secrets follow it, in the order of their mounts.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) version: String,
    pub(super) mode: Mode,
    pub(super) lower: Vec<PathBuf>,
    pub(super) upper: PathBuf,
    pub(super) work: PathBuf,
    /// Empty to only try whether a sandbox can be made.
    pub(super) argv: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) cwd: String,
    pub(super) user: Ids,
    pub(super) network: Network,
    pub(super) mounts: Vec<Place>,
    pub(super) hostname: String,
    pub(super) bounds: Bounds,
    /// A control group that limits the number of processes.
    pub(super) cgroup: Option<PathBuf>,
}

/// What a sandbox is started for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Task {
    /// A program is to be run.
    Run(Box<Plan>),
    /// Something is to be done with files of subordinate ids.
    Errand {
        version: String,
        mode: Mode,
        directory: PathBuf,
        errand: Errand,
    },
}

/// What is to be done with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Errand {
    /// Entries are given to their owners, who follow one by one.
    Give,
    /// All that is in it is removed.
    Empty,
}

/// A mount without what is secret.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) target: String,
    pub(super) kind: Kind,
}

/// What is mounted.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Kind {
    Secret { uid: u32 },
    Cache { source: PathBuf },
    File { source: PathBuf },
    Directory { source: PathBuf },
}

/// What a sandbox tells.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// It has a user namespace, which waits for its ids.
    Unshared,
    /// It could not be made.
    Failed(Trouble),
    /// The program could not be started.
    NotStarted(Trouble),
    /// The program ended.
    Ended {
        status: Status,
        made: Vec<PathBuf>,
        owners: Vec<Owner>,
        devices: Vec<Device>,
    },
    /// Files were given or removed; what could not be given, if anything.
    Done(Option<String>),
}

/// What did not work while a sandbox was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::backend) struct Trouble {
    /// What was tried, such as "mount the overlay".
    pub(in crate::backend) step: String,
    /// The system's error number, if it was the system that refused.
    pub(in crate::backend) errno: Option<i32>,
    /// The error in words.
    pub(in crate::backend) why: String,
}

impl Trouble {
    pub(super) fn new(step: impl Into<String>, error: &std::io::Error) -> Self {
        Self {
            step: step.into(),
            errno: error.raw_os_error(),
            why: crate::disk::system_words(error),
        }
    }
}

/// Names what was tried when the system refused it.
pub(super) trait At<T> {
    /// The result, or what was tried and the error.
    fn at(self, step: impl Into<String>) -> Result<T, Trouble>;
}

impl<T, E: Into<std::io::Error>> At<T> for Result<T, E> {
    fn at(self, step: impl Into<String>) -> Result<T, Trouble> {
        self.map_err(|error| Trouble::new(step, &error.into()))
    }
}
