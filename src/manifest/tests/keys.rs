//! Which fields are part of an image's key: either changing a field changes the key, or the table says that it does not.

mod flytekit;
mod rows;

use std::collections::BTreeSet;

use super::{drawn, folder};
use crate::check::check;
use crate::fingerprint::{FileReader, Key, fingerprint};
use crate::manifest::Overrides;
use crate::spec::fields;

use Part::{In, Out};

/// Whether two manifests result in the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The keys differ.
    In,
    /// The keys are the same.
    Out,
}

/// A field, and two alternative ways for an image to set it.
type Row = (&'static str, &'static str, &'static str, Part);

/// The files that the rows refer to.
const FILES: &[(&str, &str)] = &[
    ("a.txt", "numpy"),
    ("b.txt", "scipy"),
    ("one/uv.lock", "1"),
    ("one/pyproject.toml", "1"),
    ("project/uv.lock", "1"),
    ("project/pyproject.toml", "2"),
    ("one/poetry.lock", "1"),
    ("one/pylock.toml", "1"),
    ("one/pylock.dev.toml", "1"),
    ("src/main.py", "1"),
    ("lib/main.py", "2"),
    ("Dockerfile", "FROM scratch"),
    ("two/Dockerfile", "FROM base"),
    ("two/Dockerfile.dockerignore", "*.pyc"),
    ("conf.json", "{}"),
    ("other.json", "[]"),
];

#[track_caller]
fn key(lines: &str) -> Key {
    let manifest = format!(
        "image \"a\" {{\n{lines}\n}}\nimage \"one\" {{ flytekit \"1.16.31\"; }}\nimage \"two\" {{ name \"two\"; flytekit \"1.16.31\"; env A=\"1\"; }}\n"
    );
    let mut files = vec![("imgspec.kdl", manifest.as_str())];
    files.extend(FILES);
    let folder = folder(&files);
    let manifest = folder.path().join("imgspec.kdl");
    let found = check(&manifest, &Overrides::default(), &|_| None);
    let graph = found.graph.as_ref().filter(|_| !found.has_errors());
    let Some(graph) = graph else {
        panic!("{lines}\n{}", drawn(&found));
    };
    let reader = FileReader::new(folder.path()).unwrap();
    let mut prints = fingerprint(graph, &found.recipes, None, &reader);
    prints.swap_remove(0).unwrap().key
}

fn rows() -> impl Iterator<Item = &'static Row> {
    rows::ROWS.iter().chain(flytekit::ROWS)
}

#[test]
fn what_a_field_says_changes_the_key_or_is_no_part_of_it() {
    for (field, one, other, part) in rows() {
        let found = if key(one) == key(other) { Out } else { In };
        assert_eq!(found, *part, "`{field}`: {one} | {other}");
    }
}

#[test]
fn every_field_is_in_the_table() {
    let rows: BTreeSet<&str> = rows().map(|(field, ..)| *field).collect();
    let fields: BTreeSet<&str> = fields::names().collect();
    assert_eq!(rows, fields);
}

#[test]
fn fields_that_are_out_wholly_are_these() {
    let counted: BTreeSet<&str> = rows()
        .filter(|(_, one, _, part)| *part == In && !one.contains("flytekit"))
        .map(|(field, ..)| *field)
        .collect();
    let out: Vec<&str> = fields::names().filter(|it| !counted.contains(it)).collect();
    let expected = [
        "name",
        "registry",
        "builder",
        "tag-format",
        "also-tag",
        "cache-from",
        "cache-to",
        "attest",
        "flytekit-id",
        "flytekit-python",
        "runtime-packages",
        "registry-config",
        "builder-options",
    ];
    assert_eq!(out, expected);
}
