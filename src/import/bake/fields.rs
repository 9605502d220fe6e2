//! The fields of one bake target → the nodes of an image.
//!
//! Knows bake's printed form of one target and nothing of other targets but their ids. The choice made: every field is known
//! by name and either carried over or told with what to do instead; an unknown one is told too.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::import::bake::location::Located;
use crate::import::bake::values::{apart, is_empty, is_variable, parts, scalar, short, texts};
use crate::import::places::{Lies, Places};
use crate::import::{At, NewFile, Node, Note, shown};
use crate::manifest;

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
pub(in crate::import) struct Target<'a> {
    pub id: &'a str,
    pub ids: &'a BTreeMap<&'a str, String>,
    pub places: &'a Places,
    pub fields: Vec<Node>,
    pub notes: &'a mut Vec<Note>,
    pub files: &'a mut Vec<NewFile>,
}

impl Target<'_> {
    pub(in crate::import) fn read(&mut self, target: &Value, located: &Located) {
        self.dockerfile(target, located);
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

    pub(in crate::import) fn note(&mut self, field: &str, message: impl Into<String>) {
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
                    self.note(&field, format!("`{field}` is left out: {}", refused.why));
                }
            }
        }
        if !pairs.is_empty() {
            self.fields.push(Node::map("labels", pairs));
        }
    }

    fn secrets(&mut self, secrets: &Value) {
        for secret in secrets.as_array().into_iter().flatten() {
            match self.secret(secret) {
                Ok(node) => self.fields.push(node),
                Err(why) => {
                    let secret = shown(&short(secret));
                    self.note(
                        "secret",
                        format!("the secret `{secret}` is left out: {why}"),
                    );
                }
            }
        }
    }

    /// The node of one secret, or why there is none.
    fn secret(&mut self, secret: &Value) -> Result<Node, String> {
        let parts = parts(secret);
        let said = |name: &str| {
            let text = parts.get(name).map(String::as_str);
            text.filter(|text| !text.is_empty())
        };
        let id = said("id").filter(|id| manifest::takes("secret", id).is_ok());
        let id = id.ok_or("it has no id that could be used")?;
        let node = Node::new("secret", id);
        match (said("env"), said("src").or(said("source"))) {
            (Some(env), _) if !is_variable(env) => Err(format!("`{}` is no variable", shown(env))),
            (Some(env), _) => Ok(node.with("env", env)),
            (None, Some(file)) => Ok(node.with("file", self.secret_file(file))),
            (None, None) => {
                let message =
                    format!("the secret `{id}` says no source: taken from what bears its name");
                self.note("secret", message);
                let source = if is_variable(id) { "env" } else { "file" };
                Ok(node.with(source, id))
            }
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
