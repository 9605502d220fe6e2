//! The directory that imgspec has in the user's cache.

use std::path::PathBuf;

use super::dir::{Rooted, Terms};

/// Terms for directories in the user's cache, which are private: images may contain what not everyone on the machine
/// may read.
pub(crate) fn terms() -> Terms {
    Terms {
        keeps: "its cache",
        or: ", or set `XDG_CACHE_HOME` to another directory",
        is_private: true,
        hidden: None,
    }
}

/// The directory, which need not exist; `None` if the environment names neither a cache nor a home.
pub(crate) fn folder(env: &dyn Fn(&str) -> Option<String>) -> Option<Rooted> {
    let path = |name: &str| {
        env(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let caches = path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")))?;
    Some(Rooted::new(&caches, "imgspec", terms()))
}
