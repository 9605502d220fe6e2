//! Converts the ImageSpec fields that name files: requirements, sources, copies and secrets.
//!
//! Files that go into the image must be below the manifest's directory and are left out otherwise; secret files may be anywhere.

use super::value::{SpecData, SpecField, SpecValue};
use super::values::{OTHER_TAG, SpecImage};
use crate::diagnostic::shown;
use crate::import::imported::{At, NewNode};

const HOME: &str = "/root";

impl SpecImage<'_> {
    pub(super) fn path(&mut self, field: &SpecField, node: &str) {
        if let Some(path) = self.text(&field.name, &field.value) {
            let path = self.inside(&field.name, &path, field.value.at);
            self.nodes.extend(path.map(|path| NewNode::new(node, path)));
        }
    }

    /// Converts a path to one relative to the manifest; `None`, with a note, if it is outside the manifest's directory.
    fn inside(&mut self, field: &str, given: &str, at: At) -> Option<String> {
        match self.paths.inside(given) {
            Ok(path) => {
                if !self.paths.exists(&path) {
                    let given = shown(given);
                    self.note(field, at, format!("`{field}` names `{given}`, which does not exist; paths are relative to flytekit's working directory, which `-C` sets"));
                }
                Some(path)
            }
            Err(why) => {
                self.skip_value(field, given, at, &format!("it {why}"));
                None
            }
        }
    }

    /// Converts pairs of a local file and the path at which the installer sees it.
    pub(super) fn mounts(&mut self, field: &SpecField) {
        let name = &field.name;
        let SpecData::List(pairs) = &field.value.data else {
            return self.wrong_type(name, &field.value, "a list of pairs");
        };
        for pair in pairs {
            let texts: Option<Vec<&str>> = match &pair.data {
                SpecData::List(both) => both.iter().map(SpecValue::written).collect(),
                _ => None,
            };
            let Some([from, to]) = texts.as_deref() else {
                self.note(
                    name,
                    pair.at,
                    format!("`{name}` takes pairs of strings: an entry is left out"),
                );
                continue;
            };
            if !to.starts_with('/') || to.contains([' ', ',', '"', '$', '\\']) {
                self.skip_value(name, to, pair.at, "it is not a plain absolute path");
                continue;
            }
            let node = NewNode::new("pip-secret-mounts", self.paths.anywhere(from));
            self.nodes.push(node.with("to", *to));
        }
    }

    /// Copies files to the same relative path below `/root`.
    pub(super) fn copies(&mut self, field: &SpecField) {
        let mut plain = Vec::new();
        for (text, at) in self.texts(field) {
            if text.starts_with('/') || text.split('/').any(|part| part == "..") {
                self.skip_value(
                    "copy",
                    &text,
                    at,
                    "flytekit rejects absolute paths and `..`",
                );
                continue;
            }
            let Some(path) = self.inside("copy", &text, at) else {
                continue;
            };
            let parts = text.split('/').filter(|part| !matches!(*part, "" | "."));
            let target = parts.collect::<Vec<_>>().join("/");
            if path == target || (path == "." && target.is_empty()) {
                plain.push(path);
            } else {
                let to = format!("{HOME}/{target}");
                let to = to.trim_end_matches('/');
                self.nodes.push(NewNode::new("copy", path).with("to", to));
            }
        }
        if !plain.is_empty() {
            self.nodes.push(NewNode::list("copy", plain));
        }
    }

    /// Converts `source_root` and the mode that selects which of its files are copied.
    pub(super) fn sources(&mut self, root: Option<&SpecField>, mode: Option<&SpecField>) {
        let Some(at) = mode.or(root).map(|field| field.at) else {
            return;
        };
        let copies = self.copy_mode(mode, at);
        let Some(root) = root else {
            if copies == "none" {
                self.nodes.push(NewNode::new("source-copy-mode", copies));
            } else {
                self.skip("source_copy_mode", at, "without `source_root` flytekit copies the directory that it registers; set `source-root` and `source-copy-mode`");
            }
            return;
        };
        if let Some(path) = self.text(&root.name, &root.value)
            && let Some(path) = self.inside(&root.name, &path, root.value.at)
        {
            if self.paths.exists(&path) && !self.paths.is_directory(&path) {
                return self.skip_value("source_root", &path, root.at, "it is not a directory");
            }
            self.nodes.push(NewNode::new("source-root", path));
            self.nodes.push(NewNode::new("source-copy-mode", copies));
        }
    }

    /// Converts `source_root` with the loaded modules in it.
    pub(super) fn modules(&mut self, root: Option<&SpecField>, files: &[String]) {
        if let Some(root) = root
            && let Some(path) = self.text(&root.name, &root.value)
            && let Some(path) = self.inside(&root.name, &path, root.value.at)
        {
            self.nodes.push(NewNode::new("source-root", path));
            self.nodes
                .push(NewNode::list("source-files", files.to_vec()));
        }
    }

    /// The manifest's name for the copy mode.
    fn copy_mode(&mut self, mode: Option<&SpecField>, at: At) -> &'static str {
        let text = mode.and_then(|mode| self.text(&mode.name, &mode.value));
        let text = text.unwrap_or_else(|| "CopyFileDetection.LOADED_MODULES".to_owned());
        let name = text.rsplit('.').next().unwrap_or(&text);
        let copies = match name.to_lowercase().replace('-', "_").as_str() {
            "all" => "all",
            "no_copy" | "none" => "none",
            "loaded_modules" => {
                self.note("source_copy_mode", at, "`source_copy_mode` is `LOADED_MODULES`, and only the running Python knows which modules are loaded: taken as `all`, which copies all of `source_root`");
                return "all";
            }
            _ => {
                let text = shown(&text);
                self.note("source_copy_mode", at, format!("`source_copy_mode` is `{text}`, which flytekit reads as `ALL`: taken as `all`"));
                return "all";
            }
        };
        // Outside Python, the value is a string that flytekit does not recognize.
        if !text.contains('.') {
            self.note("source_copy_mode", at, format!("`source_copy_mode` is a string, which flytekit always reads as `ALL`: taken by its name as `{copies}`, {OTHER_TAG}"));
        }
        copies
    }
}
