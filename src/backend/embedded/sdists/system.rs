//! What builds a package: the `[build-system]` of its `pyproject.toml` (PEP 517 and PEP 518), or setuptools, as for pip and uv. Pure.

use serde::Deserialize;

/// What builds packages that do not say what does.
const REQUIRED: &str = "setuptools>=40.8.0";
const BACKEND: &str = "setuptools.build_meta:__legacy__";

/// What builds a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct System {
    /// What has to be installed for it.
    pub(super) requires: Vec<String>,
    /// The module, and perhaps the object in it, with the hooks: `flit_core.buildapi`.
    pub(super) backend: String,
    /// Directories of the sources in which the module is.
    pub(super) paths: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Project {
    build_system: Option<Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Table {
    requires: Vec<String>,
    build_backend: Option<String>,
    #[serde(default)]
    backend_path: Vec<String>,
}

impl System {
    /// Reads a `pyproject.toml`, if there is one.
    pub(super) fn read(pyproject: Option<&str>) -> Result<Self, String> {
        let read = |text: &str| {
            toml::from_str::<Project>(text)
                .map_err(|error| format!("its `pyproject.toml`: {}", error.message()))
        };
        let table = pyproject.map(read).transpose()?;
        let Some(table) = table.and_then(|project| project.build_system) else {
            return Ok(Self {
                requires: vec![REQUIRED.to_owned()],
                backend: BACKEND.to_owned(),
                paths: Vec::new(),
            });
        };
        let backend = table.build_backend.unwrap_or_else(|| BACKEND.to_owned());
        let is_name = |name: &str| {
            let mut parts = name.split('.');
            let is_part = |part: &str| {
                let is_letter = |char: char| char.is_alphanumeric() || char == '_';
                !part.is_empty() && part.chars().all(is_letter)
            };
            parts.all(is_part)
        };
        let (module, object) = backend.split_once(':').unwrap_or((&backend, "_"));
        if !is_name(module.trim()) || !is_name(object.trim()) {
            let backend = backend.escape_debug();
            return Err(format!(
                "its `pyproject.toml`: `build-backend` is `{backend}`, which is no object of Python"
            ));
        }
        if let Some(path) = table.backend_path.iter().find(|path| !is_inside(path)) {
            let path = path.escape_debug();
            return Err(format!(
                "its `pyproject.toml`: `backend-path` has `{path}`, which is not in its sources"
            ));
        }
        Ok(Self {
            requires: table.requires,
            backend,
            paths: table.backend_path,
        })
    }
}

fn is_inside(path: &str) -> bool {
    let is_up = path.split('/').any(|part| part == "..");
    !path.is_empty() && !path.starts_with('/') && !is_up && !path.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, words: &str) {
        let why = System::read(Some(text)).unwrap_err();
        assert!(why.contains(words), "{text}: {why}");
    }

    #[test]
    fn without_a_word_it_is_setuptools() {
        let usual = System::read(None).unwrap();
        assert_eq!(usual.requires, [REQUIRED]);
        assert_eq!(usual.backend, BACKEND);
        let other = System::read(Some("[project]\nname = 'a'\n[tool.x]\n")).unwrap();
        assert_eq!(other, usual);
        let own = System::read(Some("[build-system]\nrequires = ['a', 'b']\n")).unwrap();
        assert_eq!(own.requires, ["a", "b"]);
        assert_eq!(own.backend, BACKEND);
    }

    #[test]
    fn a_backend_of_its_own_is_in_its_sources() {
        let text = "[build-system]\nrequires = []\nbuild-backend = 'own.it:there'\nbackend-path = ['.', 'a/b']\n";
        let system = System::read(Some(text)).unwrap();
        assert_eq!(system.backend, "own.it:there");
        assert_eq!(system.paths, [".", "a/b"]);
        for path in ["..", "/etc", "a/../../b", ""] {
            let text = format!("[build-system]\nrequires = []\nbackend-path = ['{path}']\n");
            refused(&text, "which is not in its sources");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        refused("[build-system]\n", "requires");
        refused("[build-system", "its `pyproject.toml`: ");
        for backend in ["", "a b", "a:b:c", "a;b", "a..b", "-c"] {
            let text = format!("[build-system]\nrequires = []\nbuild-backend = '{backend}'\n");
            refused(&text, "which is no object of Python");
        }
    }
}
