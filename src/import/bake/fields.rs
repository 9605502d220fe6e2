//! Converts the remaining fields of a bake target. Each known field is carried over or noted with an alternative; unknown
//! fields are noted too.

use serde_json::Value;

use super::target::BakeTarget;
use super::values::{is_empty, is_variable, parts, scalar, short, split_tag, strings};
use crate::diagnostic::shown;
use crate::import::imported::NewNode;
use crate::manifest;
use crate::spec::rules;

const FORCE: &str = "use `imgspec graph build --force` to build every step again";

/// Fields that are not carried over, with the reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("annotations", "imgspec writes labels, not annotations"),
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
                "attest" => self.attestations(value),
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

    /// Takes registry and name from the first tag, and all tags as further names: imgspec makes the image's own of its key.
    fn tags(&mut self, tags: &[String]) {
        let Some(first) = tags.first() else {
            return;
        };
        let (repository, _) = split_tag(first);
        let (registry, name) = match repository.rsplit_once('/') {
            Some((registry, name)) => (Some(registry), name),
            None => (None, repository),
        };
        let mut has_registry = false;
        for (field, text) in [("registry", registry), ("name", Some(name))] {
            let Some(text) = text else { continue };
            match manifest::takes(field, text) {
                // The name defaults to the id.
                Ok(()) if field == "name" && text == self.id => {}
                Ok(()) => {
                    has_registry |= field == "registry";
                    self.nodes.push(NewNode::new(field, text));
                }
                Err(refused) => {
                    let text = shown(text);
                    let message = format!("the {field} `{text}` is left out: {}", refused.why);
                    self.note("tags", message);
                }
            }
        }
        let mut names = Vec::new();
        for tag in tags {
            match further_name(tag, repository, has_registry) {
                Ok(name) if names.contains(&name) => {}
                Ok(name) => names.push(name),
                Err(why) => {
                    let tag = shown(tag);
                    self.note("tags", format!("the tag `{tag}` is left out: {why}"));
                }
            }
        }
        if !names.is_empty() {
            self.nodes.push(NewNode::list("also-tag", names));
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

    fn attestations(&mut self, attestations: &Value) {
        let one = std::slice::from_ref(attestations);
        let all = attestations.as_array().map_or(one, Vec::as_slice);
        let mut pairs: Vec<(String, String)> = Vec::new();
        for attestation in all {
            match details(attestation) {
                Ok(Some(pair)) if pairs.iter().any(|(kind, _)| *kind == pair.0) => {}
                Ok(pair) => pairs.extend(pair),
                Err(why) => {
                    let attestation = shown(&short(attestation));
                    let message = format!("the attestation `{attestation}` is left out: {why}");
                    self.note("attest", message);
                }
            }
        }
        if !pairs.is_empty() {
            self.nodes.push(NewNode::map("attest", pairs));
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

/// A tag as a further name of an image in this repository, or the reason that it is left out.
fn further_name(tag: &str, repository: &str, has_registry: bool) -> Result<String, String> {
    if tag.contains('@') {
        return Err("a further name has a tag, not a digest".to_owned());
    }
    let (own, tag) = split_tag(tag);
    let tag = tag.unwrap_or("latest");
    let name = if own == repository {
        tag.to_owned()
    } else {
        format!("{own}:{tag}")
    };
    if rules::has_registry(&name) && !has_registry {
        return Err(
            "the image itself is in no registry, so nothing would be pushed there".to_owned(),
        );
    }
    match manifest::takes("also-tag", &name) {
        Ok(()) => Ok(name),
        Err(refused) => Err(refused.why),
    }
}

/// The kind and the details of an attestation, or the reason that it is left out; `None` if it is turned off.
fn details(attestation: &Value) -> Result<Option<(String, String)>, String> {
    let parts = parts(attestation);
    let part = |name: &str| parts.get(name).map(String::as_str);
    let kind = part("type").ok_or("it has no `type`")?;
    let details = match kind {
        _ if part("disabled") == Some("true") => return Ok(None),
        "provenance" => part("mode").unwrap_or("min"),
        _ => part("generator").unwrap_or("default"),
    };
    let is_fine = match kind {
        "provenance" => matches!(details, "min" | "max"),
        "sbom" => rules::attestation(details)
            .and_then(|()| rules::check_reference(details))
            .is_ok(),
        _ => false,
    };
    if is_fine {
        Ok(Some((kind.to_owned(), details.to_owned())))
    } else {
        Err("it is neither `provenance` of mode `min` or `max` nor `sbom`".to_owned())
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
