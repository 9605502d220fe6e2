//! Loads one file after the other: its declarations, its images, then the files that it includes.
//!
//! Declarations are visible in their own file and in the files that it includes, so that a file can be loaded knowing only the
//! files above it.

use std::collections::BTreeMap;

use super::glob::{WILD, expand};
use super::include::{include_circle, included_twice, not_an_include, wrong_include};
use super::instance::INSTANCE;
use super::loader::{Above, File, Loader};
use crate::diagnostic::{Diagnostic, Place, Spanned};
use crate::manifest::decode::TOP_NODES;
use crate::manifest::syntax::{Data, Node, bare, block_only, only_props};
use crate::spec::{WorkspacePath, fields};
use crate::suggest::closest;

/// The maximum nesting depth of includes.
pub(super) const INCLUDE_LIMIT: usize = 32;

impl Loader<'_> {
    /// Loads a file and those that it includes. `way` is the chain of includes from the root to this file.
    pub(super) fn file(
        &mut self,
        path: &WorkspacePath,
        included: Option<&Place>,
        above: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        let Some(nodes) = self.nodes(path, included) else {
            self.notes.incomplete = true;
            return;
        };
        let plain = |node: &Node| match node.args.first().map(|value| &value.data) {
            Some(Data::Text { text, .. }) if node.name.text == "image" => Some(text.clone()),
            _ => None,
        };
        self.strangers(&nodes);
        let plain_ids = nodes.iter().filter_map(plain).collect();
        // The nodes of each image are freed once it is read: those of 10,000 images take as much memory as everything made of them.
        let is_image = |node: &Node| node.name.text == "image";
        let (images, nodes): (Vec<Node>, Vec<Node>) = nodes.into_iter().partition(is_image);
        let file = File {
            folder: path.parent(),
            nodes: &nodes,
            plain_ids,
            allows: self.allows(&nodes, above.allows),
        };
        let scope = self.scope(&file, above.scope);
        let templates = self.templates(&file, &scope, above.templates);
        let own = self.defaults(&file, &scope);
        let mut defaults = above.defaults.to_vec();
        defaults.extend(&own);
        let here = Above {
            scope: &scope,
            defaults: &defaults,
            templates: &templates,
            allows: &file.allows,
        };
        self.images.reserve(images.len());
        for node in images {
            self.image(&node, &file, &here);
        }
        self.groups(&file, &scope);
        self.builder_instance(&file, &scope, included);
        self.includes(&file, &here, way);
    }

    /// Reports nodes that are not allowed at the top level of a file, and duplicates of those allowed only once.
    fn strangers(&mut self, nodes: &[Node]) {
        let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
        for node in nodes {
            let (name, place) = (node.name.text.as_str(), &node.name.place);
            if !TOP_NODES.contains(&name) {
                self.notes.tell_with(|| stranger(name, place));
            } else if matches!(name, "defaults" | "workspace" | INSTANCE)
                && let Some(before) = first.insert(name, place)
            {
                let message = format!("`{name}` is given twice in one file");
                self.notes.tell(
                    Diagnostic::twice("duplicate-node", message, place, before)
                        .help("merge the two"),
                );
            }
        }
    }

    pub(super) fn includes(
        &mut self,
        file: &File<'_>,
        here: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        for node in file.named("workspace") {
            only_props(node, &[], &mut self.notes);
            let example = "workspace { include \"services/*\" }";
            block_only(node, "too-many-arguments", example, &mut self.notes);
            for child in &node.children {
                self.include(child, file, here, way);
            }
        }
    }

    fn include(
        &mut self,
        node: &Node,
        file: &File<'_>,
        here: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        if node.name.text != "include" {
            self.notes.tell(not_an_include(node));
            return;
        }
        bare(node, &[], &mut self.notes);
        if node.args.is_empty() {
            self.notes.tell(
                Diagnostic::missing("`include` needs a path", &node.name.place)
                    .help("write `include \"services/*\"`"),
            );
        }
        for value in &node.args {
            if self.notes.is_full() {
                // Looking for the rest on disk would only find mistakes that are not reported anymore.
                self.notes.incomplete = true;
                return;
            }
            if let Some(text) = here.scope.text(value, "include", &mut self.notes) {
                self.expand(&text, file, here, way);
            }
        }
    }

    fn expand(
        &mut self,
        text: &Spanned,
        file: &File<'_>,
        here: &Above<'_>,
        way: &mut Vec<WorkspacePath>,
    ) {
        let found = expand(&self.root, &file.folder, &text.text, &mut self.looked);
        let found = match found {
            Ok(found) => found,
            Err(wrong) => {
                self.notes.incomplete = true;
                self.notes.tell(wrong_include(text, wrong));
                return;
            }
        };
        let globbed = text.text.contains(WILD);
        for path in found {
            if globbed && way.last() == Some(&path) {
                continue;
            }
            if self.can_follow(text, &path, way) {
                self.files.insert(path.clone(), Some(text.place));
                way.push(path.clone());
                self.file(&path, Some(&text.place), here, way);
                way.pop();
            }
        }
    }

    /// Whether to load an included file. Otherwise reports the reason, unless it is that globs overlap.
    fn can_follow(&mut self, text: &Spanned, path: &WorkspacePath, way: &[WorkspacePath]) -> bool {
        if let Some(from) = way.iter().position(|it| it == path) {
            let said = way[from + 1..]
                .iter()
                .map(|it| self.files.get(it).copied().flatten());
            let mistake = include_circle(text, &way[from..], said.collect());
            self.notes.tell(mistake);
            return false;
        }
        if let Some(before) = self.files.get(path) {
            let same_file = before
                .as_ref()
                .is_some_and(|it| it.source == text.place.source);
            if !same_file {
                let mistake = included_twice(text, path, *before);
                self.notes.tell(mistake);
            }
            return false;
        }
        if way.len() >= INCLUDE_LIMIT {
            let message = format!("includes are nested more than {INCLUDE_LIMIT} files deep");
            self.notes
                .tell(Diagnostic::error("too-deep", message).at(text.place, ""));
        }
        way.len() < INCLUDE_LIMIT
    }
}

fn stranger(name: &str, place: &Place) -> Diagnostic {
    let mistake = Diagnostic::error("unknown-node", format!("unknown node `{name}`"));
    if fields::find(name).is_some() {
        return Diagnostic::error(
            "misplaced",
            format!("`{name}` cannot be used outside an image"),
        )
        .at(
            *place,
            "a field belongs in an image, a template or `defaults`",
        )
        .help(format!(
            "for all images of this file: `defaults {{ {name} … }}`"
        ));
    }
    if name == "include" {
        return Diagnostic::error("misplaced", "`include` cannot be used outside `workspace`")
            .at(*place, "write `workspace { include \"…\" }`");
    }
    let meant = closest(name.trim_end_matches(':'), TOP_NODES.iter().copied());
    let known = TOP_NODES.join(", ");
    mistake
        .unknown(place, meant, "there is no node with this name")
        .or_help(format!("the top level of a file can have {known}"))
}
