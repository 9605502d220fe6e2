//! Why commands fail, and the exit codes.

use crate::diagnostic::{Diagnostic, Sources};
use crate::session::Refusal;

/// Why a command ended without doing its work.
pub(super) enum Failure {
    /// The manifests are wrong.
    Wrong(Vec<Diagnostic>, Sources),
    /// Usage or surroundings, with what to do.
    Usage {
        message: String,
        help: Option<String>,
    },
    /// Standard output is closed: nobody reads on, which is not an error.
    ClosedPipe,
}

impl Failure {
    pub(super) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage {
            message: message.into(),
            help: Some(help.into()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Wrong(diagnostics, sources) => Self::Wrong(diagnostics, sources),
            Refusal::Other { message, help } => Self::Usage { message, help },
        }
    }
}

/// Exit codes of the program.
pub(super) mod exit {
    pub(in crate::cli) const DONE: u8 = 0;
    pub(in crate::cli) const FAILED: u8 = 1;
    pub(in crate::cli) const USAGE: u8 = 2;
}
