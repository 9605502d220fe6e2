//! Why commands fail, and the exit codes.

use crate::session::{Obstacle, Refusal};

/// Why a command ended without doing its work.
pub(super) enum Failure {
    Refused(Refusal),
    /// Standard output is closed: nobody reads on, which is not an error.
    ClosedPipe,
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
                Self::usage(message, "give them a `registry`, or leave `--push` out")
            }
            Obstacle::Unknown(_) => {
                Self::usage(message, "mend the access, or choose `--when-unknown build`")
            }
            Obstacle::Unlocked(floating) if floating.images.is_empty() => Self::usage(
                message,
                "name the image outright in the Dockerfile, or give its arguments in the manifest: `args`",
            ),
            Obstacle::Unlocked(_) => Self::usage(message, "run `imgspec lock`, and keep the file"),
            Obstacle::Foreign(foreign) => Self::usage(
                foreign.join("\n       "),
                "build for a platform that it supports, or use another image",
            ),
            Obstacle::Bases(bases) => Self::usage(
                format!(
                    "these bases are not fresh, and `--no-bases` forbids to build them: {}",
                    bases.join(", ")
                ),
                "build them first, or leave `--no-bases` out",
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
