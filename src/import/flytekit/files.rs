//! The fields of an ImageSpec that name files: requirements, sources, copies, secrets.
//!
//! The choice made: a path is said from the manifest's folder; what the image must have and the manifest cannot reach is told
//! and left out, while a secret's file may lie anywhere.

use crate::import::flytekit::Converter;
use crate::import::flytekit::value::{Data, Field, Value};
use crate::import::flytekit::values::Given;
use crate::import::kdl::Node;
use crate::import::places::Lies;
use crate::import::{At, shown};

/// The folder below which flytekit puts copied files.
const HOME: &str = "/root";

impl Converter<'_> {
    pub(in crate::import) fn path(&mut self, field: &Field) {
        if let Some(path) = self.text(&field.name, &field.value)
            && let Some(path) = self.inside(&field.name, &path, field.value.at)
        {
            self.nodes
                .push(Node::new(&field.name.replace('_', "-"), path));
        }
    }

    /// A path of the source as one of the manifest; none when it is outside.
    fn inside(&mut self, field: &str, given: &str, at: At) -> Option<String> {
        let message = match self.places.of(given) {
            Lies::Inside(path) => {
                if !self.places.has(&path) {
                    let message = format!(
                        "`{field}` names `{}`, and there is nothing: relative paths begin where flytekit runs, which `-C` says",
                        shown(given)
                    );
                    self.note(field, at, message);
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
        self.note(field, at, message);
        None
    }

    /// Pairs of a file of this machine and where the installer sees it.
    pub(in crate::import) fn mounts(&mut self, field: &Field) {
        let Data::List(pairs) = &field.value.data else {
            return self.wrong_kind(field, "a list of pairs");
        };
        for pair in pairs {
            let texts: Option<Vec<&str>> = match &pair.data {
                Data::List(both) => both.iter().map(Value::written).collect(),
                _ => None,
            };
            let Some([from, to]) = texts.as_deref() else {
                self.note(
                    &field.name,
                    pair.at,
                    "`pip_secret_mounts` takes pairs of texts: this one is left out",
                );
                continue;
            };
            if !to.starts_with('/') || to.contains([' ', ',', '"', '$', '\\']) {
                let message = format!(
                    "`pip_secret_mounts` mounts at `{}`, which is no plain absolute path: left out",
                    shown(to)
                );
                self.note(&field.name, pair.at, message);
                continue;
            }
            let from = match self.places.of(from) {
                Lies::Inside(path) => path,
                _ if from.starts_with("~/") => (*from).to_owned(),
                Lies::Outside(path) => path.to_string_lossy().into_owned(),
                Lies::Unnamed => continue,
            };
            self.nodes
                .push(Node::new("pip-secret-mounts", from).with("to", *to));
        }
    }

    /// Files go below `/root`, by the path that they have where flytekit runs.
    pub(in crate::import) fn copies(&mut self, field: &Field) {
        let mut plain = Vec::new();
        let Given::Texts(texts) = self.given(field) else {
            return;
        };
        for (text, at) in texts {
            if text.starts_with('/') || text.split('/').any(|part| part == "..") {
                let message = format!(
                    "`copy` names `{}`: flytekit refuses absolute paths and `..`: left out",
                    shown(&text)
                );
                self.note("copy", at, message);
                continue;
            }
            let Some(path) = self.inside("copy", &text, at) else {
                continue;
            };
            let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
            let there = parts.collect::<Vec<_>>().join("/");
            if path == there || (path == "." && there.is_empty()) {
                plain.push(path);
            } else {
                let to = if there.is_empty() {
                    HOME.to_owned()
                } else {
                    format!("{HOME}/{there}")
                };
                self.nodes.push(Node::new("copy", path).with("to", to));
            }
        }
        if !plain.is_empty() {
            self.nodes.push(Node::list("copy", plain));
        }
    }

    /// `source_root` and what of it is copied.
    pub(in crate::import) fn sources(&mut self, root: Option<&Field>, mode: Option<&Field>) {
        if root.is_none() && mode.is_none() {
            return;
        }
        let wanted = self.copy_mode(root, mode);
        let Some(root) = root else {
            if wanted == "none" {
                self.nodes.push(Node::new("source-copy-mode", wanted));
            } else {
                let at = mode.map_or(At::default(), |mode| mode.at);
                self.note("source_root", at, "`source_copy_mode` stands without `source_root`, for which flytekit takes the folder that it registers: left out; say `source-root` and `source-copy-mode`");
            }
            return;
        };
        if let Some(path) = self.text(&root.name, &root.value)
            && let Some(path) = self.inside(&root.name, &path, root.value.at)
        {
            if self.places.has(&path) && !self.places.is_folder(&path) {
                let message = format!(
                    "`source_root` names `{}`, which is no folder: left out",
                    shown(&path)
                );
                return self.note("source_root", root.at, message);
            }
            self.nodes.push(Node::new("source-root", path));
            self.nodes.push(Node::new("source-copy-mode", wanted));
        }
    }

    /// Which of the source files are copied, in the manifest's word.
    fn copy_mode(&mut self, root: Option<&Field>, mode: Option<&Field>) -> &'static str {
        let said = mode.and_then(|mode| self.text(&mode.name, &mode.value));
        let at = mode.or(root).map_or(At::default(), |field| field.at);
        let said = said.unwrap_or_else(|| "CopyFileDetection.LOADED_MODULES".to_owned());
        let name = said.rsplit('.').next().unwrap_or(&said);
        let wanted = match name.to_lowercase().replace('-', "_").as_str() {
            "all" => "all",
            "no_copy" | "none" => "none",
            "loaded_modules" => {
                self.note("source_copy_mode", at, "`source_copy_mode` is `LOADED_MODULES`, and which modules are loaded only the running Python knows: `all` is taken, which copies all of `source_root`");
                return "all";
            }
            _ => {
                let message = format!(
                    "`source_copy_mode` is `{}`, which flytekit takes for `ALL`: `all` is taken",
                    shown(&said)
                );
                self.note("source_copy_mode", at, message);
                return "all";
            }
        };
        // Only Python can say it so that flytekit understands.
        if !said.contains('.') {
            let message = format!(
                "`source_copy_mode` is a text, which flytekit takes for `ALL` whatever it says: taken by its name, for `{wanted}`, which gives another tag than flytekit's"
            );
            self.note("source_copy_mode", at, message);
        }
        wanted
    }
}
