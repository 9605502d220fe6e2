//! Recognizes requirements and lock files by file name; the only place that knows these names.

use super::path::WorkspacePath;

/// The format of a file that lists Python packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequirementsKind {
    /// `uv.lock`.
    UvLock,
    /// `poetry.lock`.
    PoetryLock,
    /// `pylock.toml` or `pylock.NAME.toml`, as specified by PEP 751.
    Pylock,
    /// `pyproject.toml`.
    Project,
    /// Anything else: a pip requirements file.
    List,
}

impl RequirementsKind {
    /// Determines the kind from a file name.
    pub fn of(name: &str) -> Self {
        match name {
            "uv.lock" => Self::UvLock,
            "poetry.lock" => Self::PoetryLock,
            "pylock.toml" => Self::Pylock,
            "pyproject.toml" => Self::Project,
            _ => {
                let middle = name.strip_prefix("pylock.");
                let middle = middle.and_then(|rest| rest.strip_suffix(".toml"));
                match middle {
                    Some(middle) if !middle.is_empty() && !middle.contains('.') => Self::Pylock,
                    _ => Self::List,
                }
            }
        }
    }

    /// Whether the file pins everything that is installed.
    pub fn is_lock(self) -> bool {
        self.needs_project() || self == Self::Pylock
    }

    /// Whether the file is useless without the `pyproject.toml` beside it.
    pub fn needs_project(self) -> bool {
        matches!(self, Self::UvLock | Self::PoetryLock)
    }
}

impl WorkspacePath {
    /// The kind of requirements file that this path names.
    pub fn requirements_kind(&self) -> RequirementsKind {
        RequirementsKind::of(self.file_name().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_file_is() {
        let kinds = [
            ("uv.lock", RequirementsKind::UvLock),
            ("poetry.lock", RequirementsKind::PoetryLock),
            ("pylock.toml", RequirementsKind::Pylock),
            ("pylock.dev.toml", RequirementsKind::Pylock),
            ("pylock..toml", RequirementsKind::List),
            ("pylock.a.b.toml", RequirementsKind::List),
            ("pyproject.toml", RequirementsKind::Project),
            ("requirements.txt", RequirementsKind::List),
            ("", RequirementsKind::List),
        ];
        for (name, kind) in kinds {
            assert_eq!(RequirementsKind::of(name), kind, "{name}");
        }
    }
}
