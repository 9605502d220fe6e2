//! Checks the structure of `src`: modules depend only on lower floors, there are no cycles, and files and functions are
//! short.
//!
//! The floors are listed in the comment of `src/lib.rs`. Tests may depend on anything.

mod house;
mod made_up;
mod paths;
mod source;

use std::collections::BTreeMap;
use std::path::Path;

use house::{House, Table};

/// Long functions that are each a single table.
const TABLES: &[Table] = &[Table {
    file: "recipe/lower.rs",
    function: "fields",
    reason: "its pattern lists every field of an ImageSpec, so that a new one does not compile until it has its place",
}];

#[test]
fn modules_name_only_what_stands_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts = BTreeMap::new();
    read(&src, &src, &mut texts);
    let mistakes = House::new(&texts).mistakes(TABLES);
    let lines = mistakes
        .iter()
        .map(|it| format!("{}: {}: {}", it.module, it.kind, it.message));
    let lines: Vec<String> = lines.collect();
    assert!(
        lines.is_empty(),
        "{} to mend:\n{}",
        lines.len(),
        lines.join("\n")
    );
}

/// All Rust files below a directory, by path relative to `src`.
fn read(src: &Path, directory: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(src, &path, texts);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let name = path.strip_prefix(src).expect("below src");
            let text = std::fs::read_to_string(&path).expect("a text");
            texts.insert(name.to_str().expect("UTF-8").to_owned(), text);
        }
    }
}
