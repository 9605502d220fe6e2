//! Reasons for failed commands, and the exit codes.

use crate::backend::Unresolved;
use crate::session::{Obstacle, Refusal};

/// Why a command failed.
pub(super) enum Failure {
    Refused(Refusal),
    /// Standard output was closed by its reader, which is not an error.
    ClosedPipe,
    /// A signal ended it, with this exit code.
    Interrupted(u8),
}

impl Failure {
    pub(super) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused(Refusal::usage(message, help))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Obstacle> for Failure {
    fn from(obstacle: Obstacle) -> Self {
        let message = obstacle.to_string();
        match obstacle {
            Obstacle::NoRegistry => {
                Self::usage(message, "set a `registry` for them, or omit `--push`")
            }
            Obstacle::Unknown(_) => {
                Self::usage(message, "restore access, or use `--when-unknown build`")
            }
            Obstacle::Unlocked(floating) => Self::usage(message, floating.mend()),
            Obstacle::Foreign(foreign) => {
                Self::usage(foreign.join("\n       "), Unresolved::MEND_FOREIGN)
            }
            Obstacle::Bases(bases) => Self::usage(
                format!(
                    "these bases are not fresh, and `--no-bases` forbids building them: {}",
                    bases.join(", ")
                ),
                "build them first, or omit `--no-bases`",
            ),
            Obstacle::Backend { mend, .. } | Obstacle::State { mend, .. } => {
                Self::usage(message, mend)
            }
            Obstacle::Secrets(missing) => Self::usage(
                missing.join("\n       "),
                "set the variable or make the file readable, and run this again",
            ),
        }
    }
}

pub(super) mod exit {
    pub(in crate::cli) const DONE: u8 = 0;
    pub(in crate::cli) const FAILED: u8 = 1;
    pub(in crate::cli) const USAGE: u8 = 2;
}
