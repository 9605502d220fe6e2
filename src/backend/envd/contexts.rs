//! envd's contexts: which `BuildKit` envd builds with. Pure.

/// The builder that is Docker's daemon itself.
pub(super) const DAEMON: &str = "moby-worker";

/// A context of envd: a builder and its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// The user's name for it; none is Docker's daemon.
    pub(super) name: Option<String>,
    /// The kind of builder.
    pub(super) builder: String,
    /// Its address; none is envd's own choice.
    pub(super) address: Option<String>,
}

impl Context {
    /// Docker's daemon.
    pub(super) fn daemon() -> Self {
        Self {
            name: None,
            builder: DAEMON.to_owned(),
            address: None,
        }
    }

    /// Whether envd starts the builder itself.
    pub(super) fn is_started(&self) -> bool {
        matches!(
            self.builder.as_str(),
            "docker-container" | "nerdctl-container"
        )
    }

    /// In words for people.
    pub(super) fn words(&self) -> String {
        let builder = &self.builder;
        match &self.name {
            None => format!("builds are made by Docker's daemon ({builder})"),
            Some(name) => format!("the envd context is `{name}` ({builder})"),
        }
    }
}

/// Why there is no context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NoContext {
    pub(super) why: String,
    pub(super) mend: String,
}
