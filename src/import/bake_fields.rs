//! The fields of one bake target → the nodes of an image.
//!
//! Knows bake's printed form of one target and nothing of other targets but their ids. The choice made: every field is known
//! by name and either carried over or told with what to do instead; an unknown one is told too.

use std::collections::BTreeMap;

use serde_json::Value;

use super::places::{Lies, Places};
use super::{At, NewFile, Node, Note, shown};
use crate::{manifest, reference};

/// What is said of fields that are not carried over.
const LEFT_OUT: &[(&str, &str)] = &[
    ("annotations", "annotations are not written: `labels` are"),
    ("attest", "provenance and SBOMs are not made"),
    (
        "cache-from",
        "the builder's own cache counts, and what is fresh is not built at all",
    ),
    (
        "cache-to",
        "the builder's own cache counts, and what is fresh is not built at all",
    ),
    (
        "call",
        "`imgspec check` checks the manifest; a Dockerfile is checked by `docker build --check`",
    ),
    ("entitlements", "builds get no more rights than usual"),
    ("extra-hosts", "builds see the hosts that the builder sees"),
    ("network", "builds have the builder's network"),
    (
        "no-cache",
        "`imgspec graph build --force` builds every step anew",
    ),
    (
        "no-cache-filter",
        "`imgspec graph build --force` builds every step anew",
    ),
    (
        "output",
        "images go to the local store, and with `--push` to their registry",
    ),
    ("policy", "there are no source policies"),
    ("pull", "pin a base by its digest to know which it is"),
    ("shm-size", "builds have the builder's shared memory"),
    (
        "ssh",
        "builds get no SSH agent: a `secret` may hold the key",
    ),
    ("ulimits", "builds have the builder's limits"),
];

/// One target that becomes an image.
pub(super) struct Target<'a> {
    pub id: &'a str,
    pub ids: &'a BTreeMap<&'a str, String>,
    pub places: &'a Places,
    pub fields: Vec<Node>,
    pub notes: &'a mut Vec<Note>,
    pub files: &'a mut Vec<NewFile>,
}

impl Target<'_> {
    pub(super) fn read(&mut self, target: &Value) {
        self.dockerfile(target);
        for (name, value) in target.as_object().into_iter().flatten() {
            if is_empty(value) {
                continue;
            }
            match name.as_str() {
                // Of the Dockerfile, which is read as a whole; and the comment.
                "context" | "dockerfile" | "dockerfile-inline" | "target" | "args" | "contexts"
                | "description" => {}
                "tags" => self.tags(&texts(value)),
                "platforms" => self.platforms(&texts(value)),
                "labels" => self.labels(value),
                "secret" => self.secrets(value),
                name => self.left_out(name, value),
            }
        }
    }

    fn note(&mut self, field: &str, message: impl Into<String>) {
        self.notes.push(Note {
            image: Some(self.id.to_owned()),
            field: Some(field.to_owned()),
            message: message.into(),
            at: At::default(),
        });
    }

    fn left_out(&mut self, name: &str, value: &Value) {
        let said = LEFT_OUT.iter().find(|(field, _)| *field == name);
        let shown_value = shown(&short(value));
        self.note(
            name,
            match said {
                Some((_, why)) => format!("`{name}` ({shown_value}) is left out: {why}"),
                None => format!(
                    "`{}` ({shown_value}) is left out: imgspec does not know it",
                    shown(name)
                ),
            },
        );
    }

    fn dockerfile(&mut self, target: &Value) {
        let said = |name: &str| {
            target
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let context = said("context").unwrap_or(".");
        let context = context.strip_prefix("cwd://").unwrap_or(context);
        let file = match said("dockerfile-inline") {
            Some(text) => Some(self.inline(text)),
            None => self.file(context, said("dockerfile").unwrap_or("Dockerfile")),
        };
        let folder = self.inside("context", context);
        let (Some(file), Some(folder)) = (file, folder) else {
            return;
        };
        let mut node = Node::new("dockerfile", file);
        if folder != "." {
            node = node.with("context", folder);
        }
        if let Some(stage) = said("target") {
            node = node.with("target", stage);
        }
        let args = self.args(target.get("args"));
        if !args.is_empty() {
            node.children.push(Node::map("args", args));
        }
        let contexts = self.contexts(target.get("contexts"));
        if !contexts.is_empty() {
            node.children.push(Node {
                children: contexts,
                ..Node::words("contexts", Vec::new())
            });
        }
        self.fields.push(node);
    }

    /// A Dockerfile that stands in the bake file becomes a file beside the manifest.
    fn inline(&mut self, text: &str) -> String {
        let path = format!("{}.Dockerfile", self.id);
        self.note(
            "dockerfile-inline",
            format!("`dockerfile-inline` becomes the file `{path}` beside the manifest"),
        );
        self.files.push(NewFile {
            path: path.clone(),
            text: text.to_owned(),
        });
        path
    }

    /// The Dockerfile, which bake looks for in the context.
    fn file(&mut self, context: &str, given: &str) -> Option<String> {
        if given.contains("://") && !given.starts_with("cwd://") {
            let message = format!(
                "the Dockerfile `{}` is not on this machine: the image has none",
                shown(given)
            );
            self.note("dockerfile", message);
            return None;
        }
        let path = match given.strip_prefix("cwd://") {
            Some(path) => path.to_owned(),
            None if given.starts_with('/') => given.to_owned(),
            None => format!("{context}/{given}"),
        };
        self.inside("dockerfile", &path)
    }

    /// A path of the bake file as one of the manifest; none when it is outside.
    fn inside(&mut self, field: &str, given: &str) -> Option<String> {
        let message = match self.places.of(given) {
            Lies::Inside(path) => {
                if !self.places.has(&path) {
                    self.note(
                        field,
                        format!("`{field}` names `{}`, and there is nothing", shown(given)),
                    );
                }
                return Some(path);
            }
            Lies::Outside(_) => format!(
                "`{field}` names `{}`, which is outside of the manifest's folder: left out; write the manifest above it with `-o`",
                shown(given)
            ),
            Lies::Unnamed => format!(
                "`{field}` names `{}`, which is no UTF-8: left out",
                shown(given)
            ),
        };
        self.note(field, message);
        None
    }

    fn args(&mut self, args: Option<&Value>) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (name, value) in args.and_then(Value::as_object).into_iter().flatten() {
            let field = format!("args.{}", shown(name));
            if manifest::takes("env", name).is_err() || name.contains(['.', '-']) {
                self.note(
                    &field,
                    format!(
                        "`{field}` is left out: arguments have names of letters, digits and `_`"
                    ),
                );
            } else if let Some(text) = scalar(value) {
                pairs.push((name.clone(), text));
            } else {
                self.note(
                    &field,
                    format!(
                        "`{field}` has no value: left out, so the Dockerfile's own default counts"
                    ),
                );
            }
        }
        pairs
    }

    fn contexts(&mut self, contexts: Option<&Value>) -> Vec<Node> {
        let mut nodes = Vec::new();
        for (name, value) in contexts.and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            let node = Node::words(name, Vec::new());
            nodes.extend(match self.context(name, value) {
                Some(("", value)) => Some(Node::new(name, value)),
                Some((prop, value)) => Some(node.with(prop, value)),
                None => None,
            });
        }
        nodes
    }

    /// What a named context becomes: a property and its value, or a bare value.
    fn context(&mut self, name: &str, value: &str) -> Option<(&'static str, String)> {
        let field = format!("contexts.{}", shown(name));
        if let Some(target) = value.strip_prefix("target:") {
            if let Some(id) = self.ids.get(target) {
                return Some(("image", id.clone()));
            }
            self.note(
                &field,
                format!(
                    "`{field}` names the target `{}`, which is not imported: left out",
                    shown(target)
                ),
            );
            return None;
        }
        if let Some(image) = value.strip_prefix("docker-image://") {
            if let Err(refused) = reference::check_reference(image) {
                self.note(
                    &field,
                    format!(
                        "`{field}` cannot be `{}`: {}: left out",
                        shown(image),
                        refused.why
                    ),
                );
                return None;
            }
            return Some(("", image.to_owned()));
        }
        let folder = value.strip_prefix("cwd://").unwrap_or(value);
        if folder.contains("://") || folder.starts_with("git@") || folder.is_empty() {
            self.note(
                &field,
                format!(
                    "`{field}` is `{}`, neither an image nor a folder of this machine: left out",
                    shown(value)
                ),
            );
            return None;
        }
        self.inside(&field, folder).map(|path| ("path", path))
    }

    /// The first tag gives registry and name; imgspec makes tags itself.
    fn tags(&mut self, tags: &[String]) {
        let Some((first, others)) = tags.split_first() else {
            return;
        };
        let (repository, tag) = apart(first);
        let (registry, name) = repository
            .rsplit_once('/')
            .map_or((None, repository), |(registry, name)| {
                (Some(registry), name)
            });
        let parts = [("registry", registry), ("name", Some(name))];
        for (field, text) in parts {
            let Some(text) = text else { continue };
            match manifest::takes(field, text) {
                // The id is the name where no other is said.
                Ok(()) if field == "name" && text == self.id => {}
                Ok(()) => self.fields.push(Node::new(field, text)),
                Err(refused) => self.note(
                    "tags",
                    format!(
                        "`{field}` cannot be `{}`: {}: left out",
                        shown(text),
                        refused.why
                    ),
                ),
            }
        }
        let tag = tag.unwrap_or("latest");
        self.note("tags", format!("the tag `{}` is left out: tags are made of the image's key; `tag-format` may give one that stays", shown(tag)));
        for other in others {
            self.note(
                "tags",
                format!(
                    "the further tag `{}` is left out: an image has one reference",
                    shown(other)
                ),
            );
        }
    }

    fn platforms(&mut self, platforms: &[String]) {
        let mut fine = Vec::new();
        for platform in platforms {
            match manifest::takes("platform", platform) {
                Ok(()) if fine.contains(platform) => {}
                Ok(()) => fine.push(platform.clone()),
                Err(refused) => {
                    self.note(
                        "platforms",
                        format!(
                            "`platform` cannot be `{}`: {}: left out",
                            shown(platform),
                            refused.why
                        ),
                    );
                }
            }
        }
        if !fine.is_empty() {
            self.fields.push(Node::words("platform", fine));
        }
    }

    fn labels(&mut self, labels: &Value) {
        let mut pairs = Vec::new();
        for (name, value) in labels.as_object().into_iter().flatten() {
            let field = format!("labels.{}", shown(name));
            match (manifest::takes("labels", name), scalar(value)) {
                (Ok(()), Some(text)) => pairs.push((name.clone(), text)),
                (Ok(()), None) => self.note(&field, format!("`{field}` has no value: left out")),
                (Err(refused), _) => {
                    self.note(&field, format!("`{field}` is left out: {}", refused.why))
                }
            }
        }
        if !pairs.is_empty() {
            self.fields.push(Node::map("labels", pairs));
        }
    }

    fn secrets(&mut self, secrets: &Value) {
        for secret in secrets.as_array().into_iter().flatten() {
            let parts = parts(secret);
            let said = |name: &str| {
                parts
                    .get(name)
                    .map(String::as_str)
                    .filter(|text| !text.is_empty())
            };
            let id = said("id").unwrap_or_default();
            if id.is_empty() || manifest::takes("secret", id).is_err() {
                self.note(
                    "secret",
                    format!(
                        "the secret `{}` is left out: it has no id that could be used",
                        shown(&short(secret))
                    ),
                );
                continue;
            }
            let node = Node::new("secret", id);
            let file = said("src").or(said("source"));
            let node = match (said("env"), file) {
                (Some(env), _) => node.with("env", env),
                (None, Some(file)) => node.with("file", self.secret_file(file)),
                (None, None) => {
                    self.note("secret", format!("the secret `{id}` says no source: it is taken from the variable of its name"));
                    node.with("env", id)
                }
            };
            self.fields.push(node);
        }
    }

    /// A secret's file may lie anywhere.
    fn secret_file(&self, given: &str) -> String {
        match self.places.of(given) {
            _ if given.starts_with("~/") => given.to_owned(),
            Lies::Inside(path) => path,
            Lies::Outside(path) => path.to_string_lossy().into_owned(),
            Lies::Unnamed => given.to_owned(),
        }
    }
}

/// A reference's repository and its tag; a digest is no tag.
fn apart(reference: &str) -> (&str, Option<&str>) {
    let reference = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (reference, None),
    }
}

/// What older versions print as `id=x,env=Y`, and newer ones as an object.
fn parts(value: &Value) -> BTreeMap<String, String> {
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

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(scalar).collect(),
        value => scalar(value).into_iter().collect(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(pairs) => pairs.is_empty(),
        _ => false,
    }
}

/// A value in a few words.
fn short(value: &Value) -> String {
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
