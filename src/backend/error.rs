//! Why a build has no result.

/// Why a build has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The recipe cannot be carried out: a command failed, or a package does not exist. Retrying would not help.
    #[error("{0}")]
    Failed(String),
    /// A transient failure of the network, the registry or the daemon. Worth retrying.
    #[error("{0}")]
    Transient(String),
    /// A failure of a step that a field of the manifest caused.
    #[error("{error}")]
    Step {
        /// The field, as in the image's places: `base-image`, `commands[1]`.
        field: String,
        /// The failure itself.
        error: Box<BuildError>,
    },
    /// A file differs from what was hashed.
    #[error("`{path}` changed while it was being read")]
    Moved {
        /// The file, relative to the workspace root.
        path: String,
    },
    /// The run was interrupted.
    #[error("interrupted")]
    Cancelled,
}

impl BuildError {
    /// Whether a retry may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transient(_) => true,
            Self::Step { error, .. } => error.is_transient(),
            Self::Failed(_) | Self::Moved { .. } | Self::Cancelled => false,
        }
    }

    /// The manifest field that caused the failed step, if known.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Step { field, .. } => Some(field),
            _ => None,
        }
    }

    /// Replaces the error's message.
    pub(crate) fn reworded(self, words: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(words(why)),
            Self::Transient(why) => Self::Transient(words(why)),
            Self::Step { field, error } => Self::Step {
                field,
                error: Box::new(error.reworded(words)),
            },
            error => error,
        }
    }

    /// Creates a failure that is transient or permanent.
    pub(crate) fn of(why: String, is_transient: bool) -> Self {
        if is_transient {
            Self::Transient(why)
        } else {
            Self::Failed(why)
        }
    }
}
