//! Compares results with flytekit's own.

mod files;
mod golden;
mod json;
mod keywords;
mod tag;

use super::{Value, repr};
use crate::recipe::asks_for;

/// flytekit's results.
pub(super) fn golden() -> Value {
    json::read(include_str!("../../../../tests/data/imagespec-golden.json"))
}

pub(super) fn rows(table: &Value) -> &[Value] {
    match table {
        Value::List(rows) => rows,
        _ => panic!("no table: {table:?}"),
    }
}

fn table(name: &str) -> Vec<Value> {
    rows(golden().at("tables").at(name)).to_vec()
}

#[test]
fn repr_is_python_s() {
    let rows = table("python_repr");
    assert_eq!(rows.len(), 31);
    for row in rows {
        assert_eq!(repr(row.at("value")), row.text("repr"));
    }
}

#[test]
fn flytekit_is_known_by_its_name() {
    let rows = table("is_flytekit");
    assert_eq!(rows.len(), 9);
    for row in rows {
        let line = row.text("value");
        let answer = Value::Bool(asks_for(line, "flytekit"));
        assert_eq!(answer, *row.at("is_flytekit"), "{line}");
    }
    assert!(!asks_for("flytekité", "flytekit"));
    assert!(asks_for("flytekit @ git+https://example.org/x", "flytekit"));
}

#[test]
fn registries_are_those_that_flytekit_takes() {
    let rows = table("registry_names");
    assert_eq!(rows.len(), 17);
    for row in rows {
        let name = row.text("value");
        let answer = Value::Bool(super::words::is_registry(name));
        assert_eq!(answer, *row.at("valid"), "{name:?}");
    }
}
