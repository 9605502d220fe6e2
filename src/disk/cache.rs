//! The directory that imgspec has in the user's cache.

use std::path::{Path, PathBuf};

use super::dir::{Rooted, Terms};

/// Names the directory itself.
pub(crate) const VARIABLE: &str = "IMGSPEC_CACHE";

/// Terms for directories in the user's cache, which are private: images may contain what not everyone on the machine
/// may read.
pub(crate) fn terms() -> Terms {
    Terms {
        keeps: "its cache",
        or: ", or set `IMGSPEC_CACHE` to another directory",
        is_private: true,
        is_lent: false,
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
    if let Some(own) = path(VARIABLE) {
        // Relative to where the program was started.
        return Some(below(&std::path::absolute(&own).unwrap_or(own)));
    }
    let caches = path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")))?;
    Some(Rooted::new(&caches, "imgspec", terms()))
}

/// A directory of ours in one of the user's.
pub(crate) fn below(folder: &Path) -> Rooted {
    let (above, name) = match (folder.parent(), folder.file_name()) {
        (Some(above), Some(name)) => (above, PathBuf::from(name)),
        _ => (folder, PathBuf::new()),
    };
    Rooted::new(above, name, terms())
}

#[cfg(test)]
mod tests {
    use super::folder;

    #[test]
    fn a_directory_of_its_own_comes_before_the_users_cache() {
        let path = |pairs: &[(&str, &str)]| {
            let env = |name: &str| {
                let mut pairs = pairs.iter();
                let found = pairs.find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            folder(&env).map(|folder| folder.path().display().to_string())
        };
        let home = ("HOME", "/home/u");
        let cache = ("XDG_CACHE_HOME", "/c");
        assert_eq!(path(&[]), None);
        assert_eq!(path(&[home]).unwrap(), "/home/u/.cache/imgspec");
        assert_eq!(path(&[home, cache]).unwrap(), "/c/imgspec");
        let own = ("IMGSPEC_CACHE", "/big/disk");
        assert_eq!(path(&[home, cache, own]).unwrap(), "/big/disk");
        let none = ("IMGSPEC_CACHE", "");
        assert_eq!(path(&[home, none]).unwrap(), "/home/u/.cache/imgspec");
        let here = std::env::current_dir().unwrap().join("x");
        let own = ("IMGSPEC_CACHE", "x");
        assert_eq!(path(&[own]).unwrap(), here.display().to_string());
    }
}
