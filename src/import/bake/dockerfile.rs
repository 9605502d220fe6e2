//! Converts a bake target's Dockerfile along with its build arguments and named contexts.

use serde_json::Value;

use super::target::{BakeTarget, Located, inside};
use super::values::{is_empty, is_secret, is_variable, scalar};
use crate::diagnostic::shown;
use crate::import::imported::{NewFile, NewNode};
use crate::spec::rules::check_reference;

impl BakeTarget<'_> {
    pub(super) fn dockerfile(&mut self, target: &Value, located: &Located) {
        let file = if let Some(file) = &located.file {
            self.check_exists("dockerfile", file);
            file.clone()
        } else {
            let inline = target.get("dockerfile-inline").and_then(Value::as_str);
            self.inline(inline.unwrap_or_default())
        };
        self.check_exists("context", &located.context);
        let mut node = NewNode::new("dockerfile", file);
        if located.context != "." {
            node = node.with("context", &located.context);
        }
        let stage = target.get("target").and_then(Value::as_str);
        if let Some(stage) = stage.filter(|stage| !stage.is_empty()) {
            node = node.with("target", stage);
        }
        let args = self.args(target.get("args"));
        if !args.is_empty() {
            node.children.push(NewNode::map("args", args));
        }
        let contexts = self.contexts(target.get("contexts"));
        if !contexts.is_empty() {
            node.children.push(NewNode {
                children: contexts,
                ..NewNode::words("contexts", Vec::new())
            });
        }
        self.nodes.push(node);
    }

    /// Turns an inline Dockerfile into a file beside the manifest.
    fn inline(&mut self, text: &str) -> String {
        let path = format!("{}.Dockerfile", self.id);
        let message = format!("`dockerfile-inline` becomes the file `{path}` next to the manifest");
        self.note("dockerfile-inline", message);
        self.imported.files.push(NewFile {
            path: path.clone(),
            text: text.to_owned(),
        });
        path
    }

    fn args(&mut self, args: Option<&Value>) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (name, value) in args.and_then(Value::as_object).into_iter().flatten() {
            let why = if !is_variable(name) {
                "names of arguments consist of letters, digits and `_`"
            } else if is_secret(name) && !is_empty(value) {
                "it looks like a secret, which would end up in the manifest and the image's history; pass it as a `secret`"
            } else if let Some(text) = scalar(value) {
                pairs.push((name.clone(), text));
                continue;
            } else {
                "it has no value, so the Dockerfile's default applies"
            };
            self.skip(&format!("args.{}", shown(name)), why);
        }
        pairs
    }

    fn contexts(&mut self, contexts: Option<&Value>) -> Vec<NewNode> {
        let mut nodes = Vec::new();
        for (name, value) in contexts.and_then(Value::as_object).into_iter().flatten() {
            let field = format!("contexts.{}", shown(name));
            match self.context(name, value.as_str().unwrap_or_default(), &field) {
                Ok(node) => nodes.push(node),
                Err(why) => self.skip(&field, &why),
            }
        }
        nodes
    }

    /// The node of a named context, or the reason that it is left out.
    fn context(&mut self, name: &str, value: &str, field: &str) -> Result<NewNode, String> {
        let node = NewNode::words(name, Vec::new());
        if value.is_empty() {
            return Err("it is empty".to_owned());
        }
        if let Some(target) = value.strip_prefix("target:") {
            let id = self.ids.get(target);
            let id = id.ok_or_else(|| format!("target `{}` is not imported", shown(target)))?;
            return Ok(node.with("image", id));
        }
        if let Some(image) = value.strip_prefix("docker-image://") {
            check_reference(image).map_err(|refused| {
                let image = shown(image);
                format!("`{image}` is not a valid reference: {}", refused.why)
            })?;
            return Ok(NewNode::new(name, image));
        }
        let path = inside(value, self.paths)?;
        self.check_exists(field, &path);
        Ok(node.with("path", path))
    }
}
