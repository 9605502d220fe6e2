//! Snapshots of the manifests and notes that whole sources produce, valid and invalid.

mod bake;
mod kdl;
mod yaml;
mod yaml_refused;

use std::path::Path;
use std::time::Duration;

use crate::backend::Cancel;
use crate::check::check;
use crate::diagnostic::{Diagnostic, Sources};
use crate::import::{ImportContext, Imported, Input, InputKind, Paths, import};
use crate::manifest::Overrides;
use crate::report::diagnostics::render;

/// Imports a source located in this directory.
fn imported_in(folder: &Path, name: &str, text: &str) -> Result<Imported, String> {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    let input = Input {
        path: Some(folder.join(name)),
        name: name.to_owned(),
        id,
    };
    let kind = crate::import::guess(input.path.as_deref(), text).unwrap_or(InputKind::Yaml);
    let context = ImportContext {
        sources: &sources,
        paths: Paths::new(folder, folder),
        flytekit: None,
        python: Path::new("no-python"),
        limit: Duration::from_mins(1),
        limits: &crate::limits::Limits::default(),
        cancel: &Cancel::default(),
    };
    import(&input, kind, &context)
        .map_err(|wrong: Vec<Diagnostic>| render(&wrong, &sources, false, Some(120)))
}

fn imported(name: &str, text: &str) -> Imported {
    let folder = tempfile::tempdir().unwrap();
    let imported = imported_in(folder.path(), name, text).unwrap_or_else(|wrong| panic!("{wrong}"));
    understood(&imported);
    imported
}

/// Asserts that `check` accepts the manifest, apart from missing files.
fn understood(imported: &Imported) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("imgspec.kdl");
    std::fs::write(&manifest, imported.manifest()).unwrap();
    let checked = check(&manifest, &Overrides::default(), &|_| None);
    let missing = |it: &&Diagnostic| it.code != "missing-file" && it.is_error();
    let wrong: Vec<&Diagnostic> = checked.diagnostics.iter().filter(missing).collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{}", imported.manifest());
}

/// The manifest, followed by the notes.
fn told(name: &str, text: &str) -> String {
    told_of(&imported(name, text))
}

fn told_of(imported: &Imported) -> String {
    let mut out = imported.manifest();
    for note in &imported.notes {
        let line = note
            .at
            .line
            .map_or(String::new(), |line| format!("{line}: "));
        let image = note
            .image
            .as_ref()
            .map_or(String::new(), |image| format!("{image}: "));
        out += &format!("\n- {line}{image}{}", note.message);
    }
    out
}

/// The error of a source that cannot be imported.
fn refused(name: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    match imported_in(folder.path(), name, text) {
        Ok(imported) => panic!("{}", imported.manifest()),
        Err(wrong) => wrong,
    }
}

#[test]
fn a_pin_by_digest_is_kept() {
    let digest = format!("sha256:{}", "1".repeat(64));
    let yaml = format!("name: app\nbase_image: debian:12@{digest}\n");
    let manifest = imported("spec.yaml", &yaml).manifest();
    assert!(
        manifest.contains(&format!("base-image \"debian:12@{digest}\"")),
        "{manifest}"
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Dockerfile"), "").unwrap();
    let bake = format!(
        r#"{{"target":{{"app":{{"contexts":{{"a":"docker-image://alpine@{digest}"}}}}}}}}"#
    );
    let manifest = imported_in(folder.path(), "bake.json", &bake)
        .unwrap()
        .manifest();
    assert!(
        manifest.contains(&format!("a \"alpine@{digest}\"")),
        "{manifest}"
    );
}
