//! The inputs of a key in readable form, for `explain` and for records, and the differences between two such lists.
//!
//! Uses the same encoding that is hashed. A file set, which is a single digest in the key, is listed file by file with
//! paths relative to the workspace root, because that is what people look for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::credentials::without_credentials;
use super::encode::{Sink, Value, encode};
use super::{EntryKind, Files, Key, Outside};
use crate::recipe::Recipe;

/// Longer texts are listed as a hash.
const LONGEST: usize = 200;

/// One input of a key in readable form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Name, in terms of the manifest: `packages[1]`, `env.MODE`, `copy[0]:src/train.py`.
    pub name: String,
    /// Value: short texts verbatim, anything else as a hash.
    pub value: String,
}

/// One difference between two lists of inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Name of the input.
    pub name: String,
    /// Old value; `None` if it was added.
    pub from: Option<String>,
    /// New value; `None` if it was removed.
    pub to: Option<String>,
}

impl Change {
    /// Id of the base whose key changed; `None` if this is an input of the image itself.
    pub fn base(&self) -> Option<&str> {
        let (before, base) = self.name.split_once(" key ")?;
        // In a name, a path follows a `:` and may contain anything.
        (!before.contains(':')).then_some(base)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, from, to } = self;
        match (from, to) {
            (None, None) => write!(out, "{name} changed"),
            (None, Some(to)) => write!(out, "{name} is new: {to}"),
            (Some(from), None) => write!(out, "{name} is gone: {from}"),
            (Some(from), Some(to)) => write!(out, "{name} changed: {from} -> {to}"),
        }
    }
}

/// Lists all inputs of an image's key, in encoding order. The arguments are those of [`super::key()`].
pub fn inputs(
    recipe: &Recipe,
    files: &[Arc<Files>],
    bases: &[(String, Key)],
    outside: &Outside,
) -> Vec<Input> {
    let mut list = Listing(Vec::new());
    encode(recipe, files, bases, outside, &mut list);
    let mut list = list.0;
    if recipe.dockerfile.is_some() {
        // The Dockerfile defines these; the encoding only has empty placeholders.
        list.retain(|input| !matches!(input.name.as_str(), "base" | "steps"));
    }
    list
}

struct Listing(Vec<Input>);

impl Listing {
    fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push(Input {
            name: name.into(),
            value: value.into(),
        });
    }

    fn files(&mut self, name: &str, files: &Files) {
        let place = |path: &str| match files.place.as_str() {
            "" => format!("{name}:{path}"),
            folder => format!("{name}:{folder}/{path}"),
        };
        match &files.main {
            Some(main) => self.push(name, main),
            None if files.single => {}
            None if files.place.is_empty() => self.push(format!("{name}:."), "directory"),
            None => self.push(format!("{name}:{}", files.place), "directory"),
        }
        for entry in &files.entries {
            let value = match &entry.kind {
                EntryKind::Folder => "directory".to_owned(),
                EntryKind::Link { target } => format!("link -> {target}"),
                EntryKind::File {
                    executable, digest, ..
                } => {
                    let mode = if *executable { "0755" } else { "0644" };
                    format!("{mode} {}", short(digest))
                }
            };
            self.push(place(&entry.path), value);
        }
    }
}

impl Sink for Listing {
    fn input(&mut self, name: &str, value: Value<'_>) {
        match value {
            Value::Text(text) => self.push(name, shown(text)),
            Value::Url(text) => self.push(name, shown(&without_credentials(text))),
            Value::Number(number) => self.push(name, number.to_string()),
            // The values that follow imply the count, unless there are none.
            Value::Count(0) => self.push(name, "(none)"),
            Value::Count(_) => {}
            Value::Image { id, key } => self.push(format!("{name} key {id}"), key.to_string()),
            Value::Files(files) => self.files(name, files),
        }
    }
}

fn shown(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    format!(
        "{} ({} bytes)",
        short(blake3::hash(text.as_bytes()).as_bytes()),
        text.len()
    )
}

fn short(digest: &[u8; 32]) -> String {
    format!("blake3:{}", hex::encode(&digest[..8]))
}

/// The differences between two lists, in the order of the new one, followed by removed inputs.
///
/// The values of a list are compared from both ends, so a package inserted in the middle is one change. The order of
/// steps is reported only if nothing else changed: an added command is one change, not two.
pub fn diff(old: &[Input], new: &[Input]) -> Vec<Change> {
    let (old, new) = (grouped(old), grouped(new));
    let begins = |stem: &&str| match (new.get(stem), old.get(stem)) {
        (Some((at, _)), _) => (false, *at),
        (None, Some((at, _))) => (true, *at),
        (None, None) => unreachable!("BUG: each stem comes from one of the two"),
    };
    let stems: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut stems: Vec<&str> = stems.into_iter().collect();
    stems.sort_by_key(begins);
    let values = |(_, values): &(usize, Vec<_>)| values.clone();
    let mut changes: Vec<Change> = stems
        .into_iter()
        .flat_map(|stem| {
            let old = old.get(stem).map(values).unwrap_or_default();
            let new = new.get(stem).map(values).unwrap_or_default();
            differences(&old, &new)
        })
        .collect();
    if changes.iter().any(|change| change.name != "steps") {
        changes.retain(|change| change.name != "steps");
    }
    changes
}

/// Groups inputs by the name of their list. Each group has the index of its first input.
fn grouped(inputs: &[Input]) -> BTreeMap<&str, (usize, Vec<&Input>)> {
    let mut groups: BTreeMap<&str, (usize, Vec<&Input>)> = BTreeMap::new();
    for (at, input) in inputs.iter().enumerate() {
        groups
            .entry(stem(input))
            .or_insert((at, Vec::new()))
            .1
            .push(input);
    }
    groups
}

/// `packages` for `packages[1]` and for an empty list; any other name unchanged.
fn stem(input: &Input) -> &str {
    let name = input.name.as_str();
    match name.rsplit_once('[') {
        Some((stem, _)) if name.ends_with(']') && !name.contains(':') => stem,
        _ => name,
    }
}

/// The differences after dropping equal values at both ends, pair by pair.
fn differences(old: &[&Input], new: &[&Input]) -> Vec<Change> {
    let same = |(a, b): &(&&Input, &&Input)| a.value == b.value;
    let head = old.iter().zip(new).take_while(same).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(same)
        .count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    (0..old.len().max(new.len()))
        .filter_map(|at| {
            let (from, to) = (old.get(at), new.get(at));
            Some(Change {
                name: to.or(from)?.name.clone(),
                from: from.map(|input| input.value.clone()),
                to: to.map(|input| input.value.clone()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Input> {
        text.split_whitespace()
            .map(|word| {
                let (name, value) = word.split_once('=').unwrap();
                Input {
                    name: name.into(),
                    value: value.into(),
                }
            })
            .collect()
    }

    fn changes(old: &str, new: &str) -> String {
        let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        diff(&list(old), &list(new))
            .into_iter()
            .map(|change| {
                format!(
                    "{} {}>{}",
                    change.name,
                    shown(change.from),
                    shown(change.to)
                )
            })
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn a_changed_value_a_new_one_and_one_that_is_gone_are_told() {
        assert_eq!(
            changes("user=a env.A=1 b:x=1", "env.A=1 user=b c:x=1"),
            "user a>b, c:x ->1, b:x 1>-"
        );
        assert_eq!(changes("a=1", "a=1"), "");
    }

    #[test]
    fn one_value_more_in_a_list_is_one_change() {
        assert_eq!(changes("p[0]=a p[1]=c", "p[0]=a p[1]=b p[2]=c"), "p[1] ->b");
        assert_eq!(changes("p[0]=a p[1]=b", "p[0]=b"), "p[0] a>-");
        assert_eq!(changes("p[0]=a", "p=(none)"), "p a>(none)");
    }

    #[test]
    fn the_order_of_steps_is_told_only_when_it_is_all_that_changed() {
        assert_eq!(changes("steps=a c[0]=x", "steps=b c[0]=y"), "c[0] x>y");
        assert_eq!(changes("steps=a c[0]=x", "steps=b c[0]=x"), "steps a>b");
    }

    #[test]
    fn long_texts_are_listed_by_their_hash() {
        assert_eq!(shown(&"é".repeat(200)), "é".repeat(200));
        assert_eq!(
            shown(&"x".repeat(201)).len(),
            "blake3:0123456789abcdef (201 bytes)".len()
        );
    }
}
