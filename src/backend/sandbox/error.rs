//! Why a program did not run to its end.

use super::plan::Trouble;

/// What keeps this machine from isolating anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Forbidden {
    /// What forbids it.
    pub(in crate::backend) why: String,
    /// Which setting would allow it.
    pub(in crate::backend) mend: String,
}

impl std::fmt::Display for Forbidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.why, self.mend)
    }
}

/// Why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
pub(in crate::backend) enum SandboxError {
    /// It was cancelled.
    #[error("interrupted")]
    Cancelled,
    /// This machine cannot isolate it.
    #[error("no command can run here: {0}")]
    Forbidden(Forbidden),
    /// More layers than an overlay can have.
    #[error("{0} layers are more than the kernel can put above each other")]
    TooManyLayers(usize),
    /// The sandbox could not be made.
    #[error("the sandbox cannot {}: {}", .0.step, .0.why)]
    Setup(Trouble),
    /// The program could not be started.
    #[error("cannot {}: {}", .0.step, .0.why)]
    NotStarted(Trouble),
    /// The disk is nearly full.
    #[error("it was ended because the disk has less than {} MiB left", .0 >> 20)]
    DiskFull(u64),
    /// The sandbox went away without a word.
    #[error("the sandbox was killed, perhaps because memory ran out")]
    Lost,
    /// The builder's side failed.
    #[error("the sandbox cannot be started: {0}")]
    Io(#[from] std::io::Error),
}

impl From<Forbidden> for SandboxError {
    fn from(forbidden: Forbidden) -> Self {
        Self::Forbidden(forbidden)
    }
}
