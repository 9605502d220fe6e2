//! A workspace to import sources into and to check the resulting manifests in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backend::Cancel;
use crate::check::{Checked, check};
use crate::diagnostic::Sources;
use crate::import::{ImportContext, Imported, Input, InputKind, Paths, import};
use crate::manifest::Overrides;
use crate::report::diagnostics::render;

/// Errors that an imported manifest may have: values that only the user can fix, and missing files.
const MAY_BE_WRONG: &[&str] = &[
    // An import may be four times as large as a manifest, which `check` then reports.
    "too-large",
    "missing-file",
    "together",
    "one-reference",
    "wrong-type",
    "invalid-value",
    "password",
    "outside",
    "cycle",
    "unknown-image",
];

/// A workspace to import into.
pub(super) struct Bench(tempfile::TempDir);

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\n").unwrap();
        Self(folder)
    }

    fn folder(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    /// Imports a source, if that succeeds. Bake files come from standard input, so that Docker is never run.
    pub(super) fn import(&self, text: &str, kind: InputKind) -> Option<Imported> {
        let mut sources = Sources::default();
        let folder = self.folder();
        let id = sources.add("x", text);
        let path = (kind == InputKind::Yaml).then(|| folder.join("train.yaml"));
        let input = Input {
            path,
            name: "x".to_owned(),
            id,
        };
        let context = ImportContext {
            sources: &sources,
            paths: Paths::new(&folder, &folder),
            flytekit: None,
            python: Path::new("no-python"),
            limit: Duration::from_secs(1),
            limits: &crate::limits::Limits::default(),
            cancel: &Cancel::default(),
        };
        match import(&input, kind, &context) {
            Ok(imported) => Some(imported),
            Err(wrong) => {
                assert!(!wrong.is_empty());
                assert!(!render(&wrong, &sources, false, Some(100)).is_empty());
                None
            }
        }
    }

    /// Checks the imported manifest, whose syntax must be valid.
    pub(super) fn check(&self, imported: &Imported) -> Checked {
        let manifest = self.folder().join("imgspec.kdl");
        let text = imported.manifest();
        std::fs::write(&manifest, &text).unwrap();
        let checked = check(&manifest, &Overrides::default(), &|_| None);
        for diagnostic in checked.diagnostics.iter().filter(|it| it.is_error()) {
            assert!(
                MAY_BE_WRONG.contains(&diagnostic.code),
                "{diagnostic:?} in\n{text}"
            );
        }
        checked
    }
}
