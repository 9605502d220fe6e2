//! Reads the values of bake's JSON; older versions print some as strings that newer versions print as objects.

use std::collections::BTreeMap;

use serde_json::Value;

/// Splits a reference into repository and tag, dropping any digest.
pub(super) fn split_tag(reference: &str) -> (&str, Option<&str>) {
    let reference = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (reference, None),
    }
}

/// The key-value pairs of `id=x,env=Y`, or of the object that newer versions print.
pub(super) fn parts(value: &Value) -> BTreeMap<String, String> {
    match value {
        Value::String(text) => text
            .split(',')
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
            .collect(),
        Value::Object(pairs) => pairs
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), scalar(value)?)))
            .collect(),
        _ => BTreeMap::new(),
    }
}

pub(super) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(scalar).collect(),
        value => scalar(value).into_iter().collect(),
    }
}

pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Whether this is how bake prints an unset field.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(pairs) => pairs.is_empty(),
        _ => false,
    }
}

/// Formats a value on one line, for messages.
pub(super) fn short(value: &Value) -> String {
    match value {
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join(" "),
        Value::Object(pairs) => {
            let pair = |(name, value)| format!("{name}={}", short(value));
            pairs.iter().map(pair).collect::<Vec<_>>().join(",")
        }
        value => scalar(value).unwrap_or_default(),
    }
}

pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether arguments of this name usually hold a secret. Bake may have taken the value from the environment.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words = "TOKEN SECRET PASSWORD PASSWD CREDENTIAL APIKEY API_KEY PRIVATE_KEY";
    words.split(' ').any(|word| name.contains(word))
}
