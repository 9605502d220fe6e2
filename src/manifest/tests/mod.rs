//! Snapshots of the diagnostics of whole manifests.

mod bases;
mod between;
mod build_fields;
mod declarations;
mod docs;
mod fields;
mod flytekit;
mod good;
mod groups;
mod hostile;
mod include;
mod inherit;
mod keys;
mod paths;
mod root;
mod secrets;
mod text;
mod together;
mod values;

use std::collections::BTreeMap;

use crate::check::{Checked, check};
use crate::manifest::Overrides;
use crate::report::diagnostics::render;

/// Creates a directory with these files; a path that ends in `/` is a directory.
pub(super) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path_on_disk = folder.path().join(path);
        if path.ends_with('/') {
            std::fs::create_dir_all(path_on_disk).unwrap();
            continue;
        }
        std::fs::create_dir_all(path_on_disk.parent().unwrap()).unwrap();
        std::fs::write(path_on_disk, text).unwrap();
    }
    folder
}

/// Checks a workspace, with flags: `var:name=value`, `set:image.field=value`, `env:NAME=value`.
pub(super) fn checked(files: &[(&str, &str)], flags: &[&str]) -> Checked {
    let folder = folder(files);
    let mut overrides = Overrides::default();
    let mut env = BTreeMap::new();
    for flag in flags {
        match flag.split_once(':').unwrap() {
            ("var", text) => overrides.vars.push(Overrides::parse_var(text).unwrap()),
            ("set", text) => overrides.sets.push(Overrides::parse_set(text).unwrap()),
            (_, text) => {
                let (name, value) = text.split_once('=').unwrap();
                env.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    check(&folder.path().join("imgspec.kdl"), &overrides, &|name| {
        env.get(name).cloned()
    })
}

fn drawn(checked: &Checked) -> String {
    render(
        &checked.diagnostics,
        &checked.workspace.sources,
        false,
        Some(120),
    )
}

/// The rendered diagnostics of a single manifest.
pub(super) fn told(manifest: &str) -> String {
    told_of(&[("imgspec.kdl", manifest)], &[])
}

/// The rendered diagnostics of several files, with flags.
pub(super) fn told_of(files: &[(&str, &str)], flags: &[&str]) -> String {
    drawn(&checked(files, flags))
}

/// The workspace of files without diagnostics.
#[track_caller]
pub(super) fn good(files: &[(&str, &str)], flags: &[&str]) -> crate::workspace::Workspace {
    let checked = checked(files, flags);
    assert_eq!(drawn(&checked), "");
    checked.workspace
}
