//! Converts the remaining fields of a bake target. Each known field is carried over or noted with an alternative; unknown
//! fields are noted too.

use serde_json::Value;

use super::target::BakeTarget;
use super::values::{is_empty, is_variable, parts, scalar, short, split_tag, strings};
use crate::diagnostic::shown;
use crate::import::imported::NewNode;
use crate::manifest;

const FORCE: &str = "use `imgspec graph build --force` to build every step again";

/// Fields that are not carried over, with the reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("annotations", "imgspec writes labels, not annotations"),
    ("attest", "imgspec generates neither provenance nor an SBOM"),
    (
        "call",
        "use `imgspec check` for the manifest and `docker build --check` for the Dockerfile",
    ),
    ("entitlements", "builds get no extra privileges"),
    ("extra-hosts", "builds use the builder's hosts"),
    ("network", "builds use the builder's network"),
    ("no-cache", FORCE),
    ("no-cache-filter", FORCE),
    (
        "output",
        "images go to the local store, and with `--push` to their registry",
    ),
    ("policy", "there are no source policies"),
    ("pull", "pin the base by its digest instead"),
    ("shm-size", "builds use the builder's shared memory"),
    ("ssh", "builds get no SSH agent; pass the key as a `secret`"),
    ("ulimits", "builds use the builder's limits"),
];

impl BakeTarget<'_> {
    pub(super) fn fields(&mut self, target: &Value) {
        for (name, value) in target.as_object().into_iter().flatten() {
            if is_empty(value) {
                continue;
            }
            match name.as_str() {
                // Handled as part of the Dockerfile's node or the image's comment.
                "context" | "dockerfile" | "dockerfile-inline" | "target" | "args" | "contexts"
                | "description" => {}
                "tags" => self.tags(&strings(value)),
                "platforms" => self.platforms(&strings(value)),
                "labels" => self.labels(value),
                "secret" => self.secrets(value),
                "cache-from" | "cache-to" => self.caches(name, value),
                name => self.left_out(name, value),
            }
        }
    }

    fn left_out(&mut self, name: &str, value: &Value) {
        let known = LEFT_OUT.iter().find(|(field, _)| *field == name);
        let why = known.map_or("imgspec does not know this field", |(_, why)| *why);
        let (shown_name, value) = (shown(name), shown(&short(value)));
        let message = format!("`{shown_name}` ({value}) is left out: {why}");
        self.note(name, message);
    }

    /// Takes registry and name from the first tag; imgspec makes the tag itself.
    fn tags(&mut self, tags: &[String]) {
        let Some((first, others)) = tags.split_first() else {
            return;
        };
        let (repository, tag) = split_tag(first);
        let (registry, name) = match repository.rsplit_once('/') {
            Some((registry, name)) => (Some(registry), name),
            None => (None, repository),
        };
        for (field, text) in [("registry", registry), ("name", Some(name))] {
            let Some(text) = text else { continue };
            match manifest::takes(field, text) {
                // The name defaults to the id.
                Ok(()) if field == "name" && text == self.id => {}
                Ok(()) => self.nodes.push(NewNode::new(field, text)),
                Err(refused) => {
                    let text = shown(text);
                    let message = format!("the {field} `{text}` is left out: {}", refused.why);
                    self.note("tags", message);
                }
            }
        }
        let tag = shown(tag.unwrap_or("latest"));
        self.note("tags", format!("the tag `{tag}` is left out: tags are made from the image's key; `tag-format` can set a fixed one"));
        for other in others {
            let other = shown(other);
            let message = format!("the tag `{other}` is left out: an image has one reference");
            self.note("tags", message);
        }
    }

    fn platforms(&mut self, platforms: &[String]) {
        let mut accepted = Vec::new();
        for platform in platforms {
            match manifest::takes("platform", platform) {
                Ok(()) if accepted.contains(platform) => {}
                Ok(()) => accepted.push(platform.clone()),
                Err(refused) => {
                    let (platform, why) = (shown(platform), refused.why);
                    let message = format!("the platform `{platform}` is left out: {why}");
                    self.note("platforms", message);
                }
            }
        }
        if !accepted.is_empty() {
            self.nodes.push(NewNode::words("platform", accepted));
        }
    }

    fn labels(&mut self, labels: &Value) {
        let mut pairs = Vec::new();
        for (name, value) in labels.as_object().into_iter().flatten() {
            let field = format!("labels.{}", shown(name));
            match (manifest::takes("labels", name), scalar(value)) {
                (Ok(()), Some(text)) => pairs.push((name.clone(), text)),
                (Ok(()), None) => self.skip(&field, "it has no value"),
                (Err(refused), _) => self.skip(&field, &refused.why),
            }
        }
        if !pairs.is_empty() {
            self.nodes.push(NewNode::map("labels", pairs));
        }
    }

    /// Takes caches in registries.
    fn caches(&mut self, field: &str, caches: &Value) {
        let one = std::slice::from_ref(caches);
        let all = caches.as_array().map_or(one, Vec::as_slice);
        let mut accepted = Vec::new();
        for cache in all {
            match place_of_cache(field, cache) {
                Ok(place) if accepted.contains(&place) => {}
                Ok(place) => accepted.push(place),
                Err(why) => {
                    let cache = shown(&short(cache));
                    let message = format!("the cache `{cache}` of `{field}` is left out: {why}");
                    self.note(field, message);
                }
            }
        }
        if !accepted.is_empty() {
            self.nodes.push(NewNode::words(field, accepted));
        }
    }

    fn secrets(&mut self, secrets: &Value) {
        for secret in secrets.as_array().into_iter().flatten() {
            match self.secret(secret) {
                Ok(node) => self.nodes.push(node),
                Err(why) => {
                    let secret = shown(&short(secret));
                    let message = format!("the secret `{secret}` is left out: {why}");
                    self.note("secret", message);
                }
            }
        }
    }

    /// The node of a secret, or the reason that it is left out.
    fn secret(&mut self, secret: &Value) -> Result<NewNode, String> {
        let parts = parts(secret);
        let part = |name: &str| {
            let text = parts.get(name).map(String::as_str);
            text.filter(|text| !text.is_empty())
        };
        let id = part("id").filter(|id| manifest::takes("secret", id).is_ok());
        let id = id.ok_or("it has no usable id")?;
        let node = NewNode::new("secret", id);
        match (part("env"), part("src").or(part("source"))) {
            (Some(env), _) if !is_variable(env) => {
                Err(format!("`{}` is not a variable's name", shown(env)))
            }
            (Some(env), _) => Ok(node.with("env", env)),
            (None, Some(file)) => Ok(node.with("file", self.paths.anywhere(file))),
            (None, None) => {
                let (what, prop) = if is_variable(id) {
                    ("variable", "env")
                } else {
                    ("file", "file")
                };
                let message =
                    format!("the secret `{id}` names no source: taken from the {what} `{id}`");
                self.note("secret", message);
                Ok(node.with(prop, id))
            }
        }
    }
}

/// The reference of a cache, or the reason that it is left out.
fn place_of_cache(field: &str, cache: &Value) -> Result<String, String> {
    let parts = parts(cache);
    let place = match cache {
        Value::String(text) if !text.contains('=') => Some(text),
        _ => parts.get("ref"),
    };
    let kind = parts.get("type").map_or("registry", String::as_str);
    if kind != "registry" {
        return Err(format!(
            "caches are in registries, not of the type `{}`",
            shown(kind)
        ));
    }
    let place = place.ok_or("it has no `ref`")?;
    match manifest::takes(field, place) {
        Ok(()) => Ok(place.clone()),
        Err(refused) => Err(refused.why),
    }
}
