//! Why a session could not be opened, or what was requested could not be done.

use crate::diagnostic::{Diagnostic, Sources};
use crate::run::NoWorkers;

/// Why a session could not be opened, or what was requested could not be done.
#[derive(Debug)]
pub enum Refusal {
    /// The manifests have errors; with the sources to quote.
    Wrong(Vec<Diagnostic>, Sources),
    /// Any other failure.
    Other {
        /// What is wrong, as one sentence.
        message: String,
        /// How to fix it.
        help: Option<String>,
    },
}

impl Refusal {
    /// A failure that no manifest is to blame for.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Other {
            message: message.into(),
            help: Some(help.into()),
        }
    }

    /// Converts to diagnostics with their sources; a failure outside the manifests becomes a `usage` error.
    pub(crate) fn into_mistakes(self) -> (Vec<Diagnostic>, Sources) {
        match self {
            Self::Wrong(mistakes, sources) => (mistakes, sources),
            Self::Other { message, help } => {
                let mut mistake = Diagnostic::error("usage", message);
                mistake.help.extend(help);
                (vec![mistake], Sources::default())
            }
        }
    }
}

impl From<NoWorkers> for Refusal {
    fn from(error: NoWorkers) -> Self {
        Self::Other {
            message: error.to_string(),
            help: Some("use fewer workers: `--jobs N`".to_owned()),
        }
    }
}
