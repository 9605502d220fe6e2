//! A bake target's Dockerfile: where it lies, what it is given, what its names stand for.
//!
//! The choice made: what lies on this machine below the manifest, or is an image, is carried over; a Dockerfile, folder or
//! archive of elsewhere is told.

use serde_json::Value;

use super::bake_fields::Target;
use super::bake_source::{Located, inside, plain};
use super::bake_values::{is_empty, is_secret, is_variable, scalar};
use super::{NewFile, Node, shown};
use crate::spec::rules::check_reference;

impl Target<'_> {
    pub(super) fn dockerfile(&mut self, target: &Value, located: &Located) {
        let inline = target.get("dockerfile-inline").and_then(Value::as_str);
        let file = match &located.file {
            None => self.inline(inline.unwrap_or_default()),
            Some(file) => {
                self.there("dockerfile", file);
                file.clone()
            }
        };
        self.there("context", &located.folder);
        let mut node = Node::new("dockerfile", file);
        if located.folder != "." {
            node = node.with("context", &located.folder);
        }
        let stage = target.get("target").and_then(Value::as_str);
        if let Some(stage) = stage.filter(|stage| !stage.is_empty()) {
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

    /// Tells what is not where it should be.
    fn there(&mut self, field: &str, path: &str) {
        if !self.places.has(path) {
            let message = format!(
                "`{field}` names `{}`, and there is nothing: bake's paths begin where it runs, which `-C` says",
                shown(path)
            );
            self.note(field, message);
        }
    }

    fn args(&mut self, args: Option<&Value>) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (name, value) in args.and_then(Value::as_object).into_iter().flatten() {
            let field = format!("args.{}", shown(name));
            if !is_variable(name) {
                let message = format!(
                    "`{field}` is left out: arguments have names of letters, digits and `_`"
                );
                self.note(&field, message);
            } else if is_secret(name) && !is_empty(value) {
                let message = format!(
                    "`{field}` may be a secret, which would stand in the manifest and in the image's history: left out; give it as a `secret`"
                );
                self.note(&field, message);
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
        let found = if let Some(target) = value.strip_prefix("target:") {
            let id = self.ids.get(target).map(|id| ("image", id.clone()));
            id.ok_or_else(|| {
                let target = shown(target);
                format!("`{field}` names the target `{target}`, which is not imported")
            })
        } else if let Some(image) = value.strip_prefix("docker-image://") {
            let known = check_reference(image).map(|()| ("", image.to_owned()));
            known.map_err(|refused| {
                format!("`{field}` cannot be `{}`: {}", shown(image), refused.why)
            })
        } else if value.is_empty() {
            Err(format!("`{field}` is empty"))
        } else {
            let path = inside("contexts", plain(value), self.places);
            path.map(|path| ("path", path))
                .map_err(|(_, why)| why.replacen("contexts", &field, 1))
        };
        match &found {
            Ok(("path", path)) => self.there(&field, path),
            Ok(_) => {}
            Err(why) => self.note(&field, format!("{why}: left out")),
        }
        found.ok()
    }
}
