//! The values of bake's printed form, in which older and newer versions write the same in two ways.
//!
//! Pure. Knows no field.

use std::collections::BTreeMap;

use serde_json::Value;

/// A reference's repository and its tag; a digest is no tag.
pub(in crate::import) fn apart(reference: &str) -> (&str, Option<&str>) {
    let reference = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (reference, None),
    }
}

/// What older versions print as `id=x,env=Y`, and newer ones as an object.
pub(in crate::import) fn parts(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::String(text) => text
            .split(',')
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
            .collect(),
        Value::Object(pairs) => {
            let pairs = pairs.iter();
            pairs
                .filter_map(|(name, value)| Some((name.clone(), scalar(value)?)))
                .collect()
        }
        _ => BTreeMap::new(),
    }
}

pub(in crate::import) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(scalar).collect(),
        value => scalar(value).into_iter().collect(),
    }
}

pub(in crate::import) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

pub(in crate::import) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(pairs) => pairs.is_empty(),
        _ => false,
    }
}

/// A value in a few words.
pub(in crate::import) fn short(value: &Value) -> String {
    match value {
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join(" "),
        Value::Object(pairs) => {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| format!("{name}={}", short(value)))
                .collect::<Vec<_>>()
                .join(",")
        }
        value => scalar(value).unwrap_or_default(),
    }
}

/// Whether a shell can set a variable of this name.
pub(in crate::import) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether an argument of this name is usually given a secret, which bake may have taken from the environment.
pub(in crate::import) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words = [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "CREDENTIAL",
        "APIKEY",
        "API_KEY",
        "PRIVATE_KEY",
    ];
    words.iter().any(|word| name.contains(word))
}
