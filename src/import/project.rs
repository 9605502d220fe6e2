//! Writes the first manifest of a Python project or Dockerfile, for `imgspec init`.
//!
//! All files of the project are considered together, and the manifest has one image that builds without changes: the most
//! exact list of packages is installed, and uv's managed Python is used only if the project requires a version that the base
//! lacks.

use std::path::Path;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use serde::Deserialize;

use super::names::slug;
use crate::diagnostic::shown;
use crate::disk::limits;
use crate::disk::read::{self, Links};
use crate::spec::DEFAULT_BASE;

/// Python version in the distribution of [`DEFAULT_BASE`].
const PYTHON_OF_BASE: &str = "3.11";

/// Python versions to install with uv instead, in order of preference.
const PYTHONS: [&str; 6] = ["3.12", "3.13", "3.14", "3.10", "3.9", "3.8"];

/// Files that list packages, the most exact first; lock files also need the project file beside them.
const REQUIREMENTS: &[(&str, &[&str])] = &[
    ("uv.lock", &["pyproject.toml"]),
    ("poetry.lock", &["pyproject.toml"]),
    ("pylock.toml", &[]),
    ("requirements.txt", &[]),
    ("pyproject.toml", &[]),
];

/// Source directories to copy.
const SOURCES: [&str; 2] = ["src", "app"];

/// What the files of a directory imply about its image.
pub struct Project {
    image: String,
    /// The file whose packages to install.
    requirements: Option<&'static str>,
    /// Python version to install with uv.
    managed: Option<String>,
    source: Option<&'static str>,
    has_dockerfile: bool,
    /// One sentence about each file that was found.
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
struct Pyproject {
    project: Option<Wanted>,
    tool: Option<Tools>,
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "requires-python")]
    python: Option<String>,
}

#[derive(Deserialize)]
struct Tools {
    poetry: Option<Poetry>,
}

#[derive(Deserialize)]
struct Poetry {
    dependencies: Option<toml::Table>,
}

/// The Python version that a project requires, and the file that states it.
struct Asked {
    file: &'static str,
    python: String,
}

impl Project {
    /// Examines the files of a directory. A file that cannot be read or understood is noted and otherwise ignored.
    #[must_use]
    pub fn look(folder: &Path) -> Self {
        let has = |name: &&str| folder.join(name).is_file();
        let mut known = REQUIREMENTS
            .iter()
            .filter(|(name, beside)| has(name) && beside.iter().all(&has))
            .map(|(name, _)| *name);
        let mut project = Self {
            image: id(folder),
            requirements: known.next(),
            managed: None,
            source: SOURCES.into_iter().find(|name| folder.join(name).is_dir()),
            has_dockerfile: has(&"Dockerfile"),
            notes: Vec::new(),
        };
        let others: Vec<&str> = known.collect();
        project.note_files(&others);
        if project.requirements.is_some() && !project.has_dockerfile {
            project.choose_python(folder);
        }
        project
    }

    fn note_files(&mut self, others: &[&str]) {
        if self.has_dockerfile {
            self.notes.push("Dockerfile: built unchanged".to_owned());
            if let Some(name) = self.requirements {
                let words = "the commented image installs it without the Dockerfile";
                self.notes.push(format!("{name}: {words}"));
            }
            return;
        }
        if let Some(name) = self.requirements {
            self.notes
                .push(format!("{name}: installed by `requirements`"));
            for other in others {
                let words =
                    if matches!(name, "uv.lock" | "poetry.lock") && *other == "pyproject.toml" {
                        format!("the project of {name}")
                    } else {
                        format!("left out, because {name} is more exact")
                    };
                self.notes.push(format!("{other}: {words}"));
            }
        }
        if let Some(source) = self.source {
            self.notes
                .push(format!("{source}/: copied to /app/{source}"));
        }
    }

    /// Chooses the base's own Python unless the project requires another.
    fn choose_python(&mut self, folder: &Path) {
        let asked = match asked(folder) {
            Ok(Some(asked)) => asked,
            Ok(None) => return,
            Err(why) => return self.notes.push(why),
        };
        let Asked { file, python } = &asked;
        let Ok(wanted) = VersionSpecifiers::from_str(python) else {
            let python = shown(python);
            let why = format!(
                "{file}: the Python version that it requires, `{python}`, is not understood"
            );
            return self.notes.push(why);
        };
        let fits = |version: &&str| {
            // The newest patch release anyone could have: `>=3.11.4` accepts it, `==3.11.4` does not.
            let newest = Version::from_str(&format!("{version}.99"));
            let bare = Version::from_str(version);
            [newest, bare]
                .iter()
                .flatten()
                .any(|it| wanted.contains(it))
        };
        if fits(&PYTHON_OF_BASE) {
            return;
        }
        let exact = wanted.iter().find_map(exact);
        let Some(version) = exact.or_else(|| {
            PYTHONS
                .iter()
                .find(|it| fits(it))
                .map(|it| (*it).to_owned())
        }) else {
            let why = format!(
                "{file}: no Python version matches `{}`; set `python-version` yourself",
                shown(python)
            );
            return self.notes.push(why);
        };
        self.notes.push(format!(
            "{file}: requires Python {}, but the base has {PYTHON_OF_BASE}: `python-version \"{version}\"`",
            shown(python)
        ));
        self.managed = Some(version);
    }

    /// Returns the manifest's text, with comments.
    #[must_use]
    pub fn manifest(&self) -> String {
        let image = &self.image;
        let first = if self.has_dockerfile {
            self.own_dockerfile()
        } else {
            format!("image \"{image}\" {{\n{}}}\n", self.fields())
        };
        format!(
            "// The container images of this repository: `imgspec graph build` builds what changed.\n\
             // Every field is described in docs/manifest.md of imgspec.\n\n\
             // For all images of this file:\n\
             // defaults {{\n\
             //     registry \"registry.example.com/team\"   // where `--push` sends them\n\
             // }}\n\n\
             {first}\n\
             // Another image, built on the first one; it is rebuilt when that one changes:\n\
             // image \"{image}-dev\" {{\n\
             //     base-image image=\"{image}\"\n\
             //     apt-packages \"vim\"\n\
             // }}\n"
        )
    }

    fn own_dockerfile(&self) -> String {
        let image = &self.image;
        let mut text = format!(
            "image \"{image}\" {{\n    dockerfile \"Dockerfile\" {{\n        \
             // args VERSION=\"1\"\n        \
             // contexts {{ base image=\"other\" }}   // what `FROM base` means: an image of this file\n    }}\n}}\n"
        );
        if self.requirements.is_some() {
            text.push_str("\n// The same without a Dockerfile begins like this:\n");
            let whole = format!("image \"{image}\" {{\n{}}}\n", self.fields());
            for line in whole.lines() {
                text.push_str(&format!("// {line}\n"));
            }
        }
        text
    }

    /// The fields of an image without a Dockerfile.
    fn fields(&self) -> String {
        let mut text = format!("    base-image \"{DEFAULT_BASE}\"\n");
        match (self.requirements, &self.managed) {
            (Some(file), Some(version)) => text.push_str(&format!(
                "    // apt-packages \"git\"\n    python-version \"{version}\"\n    requirements \"{file}\"\n"
            )),
            (Some(file), None) => text.push_str(&format!(
                "    apt-packages \"python3\"   // {PYTHON_OF_BASE}; `python-version \"3.12\"` brings another\n    requirements \"{file}\"\n"
            )),
            (None, _) => text.push_str(
                "    // apt-packages \"git\"\n    // python-version \"3.12\"\n    // packages \"requests==2.32.3\"\n",
            ),
        }
        match self.source {
            Some(folder) => text.push_str(&format!("    copy \"{folder}\" to=\"/app/{folder}\"\n")),
            None => text.push_str("    // copy \"src\" to=\"/app/src\"\n"),
        }
        text.push_str("    workdir \"/app\"\n    // entrypoint \"python3\" \"src/main.py\"\n");
        text
    }
}

/// The single version that a specifier such as `==3.12.*` or `==3.12.4` allows.
fn exact(wanted: &pep440_rs::VersionSpecifier) -> Option<String> {
    use pep440_rs::Operator::{Equal, EqualStar, ExactEqual};
    let is_exact = matches!(wanted.operator(), Equal | EqualStar | ExactEqual);
    (is_exact && wanted.version().release().len() > 1).then(|| wanted.version().to_string())
}

/// The Python version that the project requires. `.python-version`, the version to develop with, comes first.
fn asked(folder: &Path) -> Result<Option<Asked>, String> {
    if let Some(text) = text(folder, ".python-version", limits::PROJECT)? {
        let version = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'));
        let version = version.and_then(|version| Version::from_str(version).ok());
        // A name such as `pypy3.10` says nothing about the base's Python.
        return Ok(version.map(|version| Asked {
            file: ".python-version",
            python: match version.release().len() {
                ..=2 => format!("=={version}.*"),
                _ => format!("=={version}"),
            },
        }));
    }
    let file = "pyproject.toml";
    let Some(text) = text(folder, file, limits::PROJECT)? else {
        return Ok(None);
    };
    let project: Pyproject = toml::from_str(&text)
        .map_err(|error| format!("{file}: not understood: {}", error.message()))?;
    let poetry = || {
        let dependencies = project.tool?.poetry?.dependencies?;
        Some(caret(dependencies.get("python")?.as_str()?))
    };
    let python = project.project.and_then(|it| it.python).or_else(poetry);
    Ok(python.map(|python| Asked { file, python }))
}

/// Translates Poetry's `^3.11` and `~3.11` to standard specifiers.
fn caret(text: &str) -> String {
    let text = text.trim();
    let bound = |version: &str, parts: usize| {
        let numbers: Vec<u64> = version
            .split('.')
            .map_while(|part| part.parse().ok())
            .collect();
        let kept = numbers.get(..parts.min(numbers.len())).unwrap_or_default();
        let mut upper = kept.to_vec();
        if let Some(last) = upper.last_mut() {
            *last += 1;
        }
        let upper: Vec<String> = upper.iter().map(u64::to_string).collect();
        format!(">={version},<{}", upper.join("."))
    };
    match (text.strip_prefix('^'), text.strip_prefix('~')) {
        (Some(version), _) => bound(version, 1),
        (_, Some(version)) if !version.starts_with('=') => bound(version, 2),
        _ => text.to_owned(),
    }
}

/// The text of a file in the directory; `None` if there is no such file.
fn text(folder: &Path, name: &str, limit: u64) -> Result<Option<String>, String> {
    match read::bytes(&folder.join(name), Links::Follow, limit) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(format!("{name}: it is not UTF-8 text, and was left out")),
        },
        Err(refusal) if refusal.is_absent() => Ok(None),
        Err(refusal) => Err(format!("{name}: {refusal}, and was left out")),
    }
}

/// An id derived from the directory's name.
fn id(folder: &Path) -> String {
    let whole = folder.canonicalize().ok();
    let name = whole.as_deref().and_then(Path::file_name);
    slug(&name.unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Python version to install with uv for a project with these files, and the notes.
    fn python(files: &[(&str, &str)]) -> (Option<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("requirements.txt", "six\n")].iter().chain(files) {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let project = Project::look(folder.path());
        let notes = project.notes.into_iter();
        let notes = notes.filter(|note| !note.contains("requirements.txt"));
        (project.managed, notes.collect())
    }

    fn wanted(python_: &str) -> Option<String> {
        let text = format!("[project]\nname = \"x\"\nrequires-python = \"{python_}\"\n");
        python(&[("pyproject.toml", &text)]).0
    }

    #[test]
    fn a_managed_python_is_asked_for_only_where_the_base_lacks_the_version() {
        for (asked, managed) in [
            (">=3.8", None),
            (">=3.11.4,<4", None),
            ("==3.11.*", None),
            ("==3.11.4", Some("3.11.4")),
            (">=3.12", Some("3.12")),
            (">3.12.99", Some("3.13")),
            ("~=3.10.2", Some("3.10")),
            (">=3.9,<3.11", Some("3.10")),
            ("==3.13.*", Some("3.13")),
            (">=9", None),
            ("nonsense", None),
        ] {
            assert_eq!(wanted(asked).as_deref(), managed, "{asked}");
        }
    }

    #[test]
    fn the_version_to_develop_with_comes_first_and_poetrys_words_are_known() {
        let pyproject = ("pyproject.toml", "[project]\nrequires-python = \">=3.8\"\n");
        for (version, managed) in [
            ("3.12\n", Some("3.12")),
            ("# x\n3.12.4\n", Some("3.12.4")),
            ("3.11\n", None),
            ("pypy3.10\n", None),
            ("", None),
        ] {
            let found = python(&[pyproject, (".python-version", version)]);
            assert_eq!(found.0.as_deref(), managed, "{version}");
        }
        for (asked, managed) in [
            ("^3.12", Some("3.12")),
            ("^3.10", None),
            ("~3.10", Some("3.10")),
            ("~3.12.1", Some("3.12")),
            ("*", None),
        ] {
            let text = format!("[tool.poetry.dependencies]\npython = \"{asked}\"\n");
            let found = python(&[("pyproject.toml", &text)]);
            assert_eq!(found.0.as_deref(), managed, "{asked}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_understood_is_noted() {
        let told = |name: &str, text: &str| python(&[(name, text)]).1.join("\n");
        assert!(
            told("pyproject.toml", "[project\n").starts_with("pyproject.toml: not understood: ")
        );
        assert!(
            told("pyproject.toml", "[project]\nrequires-python = \"x\"\n")
                .contains("`x`, is not understood")
        );
        assert!(
            told("pyproject.toml", "[project]\nrequires-python = \">=9\"\n")
                .contains("no Python version matches `>=9`")
        );
    }
}
