//! Checks docs/manifest.md against the implementation.

use super::checked;
use crate::manifest::decode::TOP_NODES;
use crate::spec::fields;

const REFERENCE: &str = include_str!("../../../docs/manifest.md");

/// Errors that an example has only because its files and context are missing.
const EXPECTED: &[&str] = &[
    "missing-file",
    "nothing-included",
    "unknown-image",
    "unknown-template",
    "duplicate-field",
    "no-image",
];

#[test]
fn every_example_of_the_reference_is_understood() {
    let examples = REFERENCE.split("```kdl\n").skip(1);
    let examples: Vec<&str> = examples.filter_map(|it| it.split("```").next()).collect();
    assert!(examples.len() >= 18);
    for example in examples {
        let example = example.replace('…', "");
        let first = example.split_whitespace().next().unwrap_or("");
        let manifest = if TOP_NODES.contains(&first) {
            example
        } else {
            format!("image \"i\" {{\n{example}}}\n")
        };
        let found = checked(&[("imgspec.kdl", &manifest)], &[]);
        for diagnostic in &found.diagnostics {
            assert!(
                EXPECTED.contains(&diagnostic.code),
                "{manifest}\n{}",
                super::drawn(&found)
            );
        }
    }
}

#[test]
fn every_field_is_in_the_reference() {
    for name in fields::names() {
        assert!(REFERENCE.contains(&format!("`{name}`")), "{name}");
    }
}
