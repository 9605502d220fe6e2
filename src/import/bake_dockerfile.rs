//! A bake target's Dockerfile: where it lies, what it is given, what its names stand for.
//!
//! The choice made: what lies on this machine below the manifest, or is an image, is carried over; a Dockerfile, folder or
//! archive of elsewhere is told.

use serde_json::Value;

use super::bake_fields::Target;
use super::bake_values::scalar;
use super::places::Lies;
use super::{NewFile, Node, shown};
use crate::{manifest, reference};

impl Target<'_> {
    pub(super) fn dockerfile(&mut self, target: &Value) {
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
            None if context == "." => given.to_owned(),
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
}
