//! Loads images defined by a program, by writing each as a manifest and reading it back.
//!
//! This way there is one set of rules, and every mistake has an excerpt. No variables are substituted in their text.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::loader::{Above, File, Loader};
use crate::diagnostic::shown;
use crate::manifest::inherit::Overrides;
use crate::manifest::syntax::parse;
use crate::manifest::write::{NewNode, NodeWriter, quoted_at};
use crate::spec::WorkspacePath;
use crate::workspace::{Loaded, Looked, Workspace};

/// Loads `image` nodes, each with the directory whose `.dockerignore` applies. Their paths are relative to the root.
pub(crate) fn load_nodes<'f>(
    root: PathBuf,
    images: impl IntoIterator<Item = (NewNode, &'f WorkspacePath)>,
) -> Loaded {
    let overrides = Overrides::default();
    let mut loader = Loader::new(&overrides, &|_| None);
    loader.takes_any_builder = true;
    let file = File {
        folder: WorkspacePath::ROOT,
        nodes: &[],
        plain_ids: BTreeSet::new(),
        allows: Vec::new(),
    };
    for (node, folder) in images {
        let id = node.args.first().map_or("", String::as_str);
        let mut writer = NodeWriter::new(quoted_at);
        writer.node(&node, 0);
        let text = writer.out;
        let source = loader
            .notes
            .sources
            .add(format!("ImageSpec {}", shown(id)), &text);
        let (nodes, mistakes) = parse(&text, source);
        loader.notes.tell_all(mistakes);
        let before = loader.images.len();
        for mut node in nodes {
            node.say_literally();
            loader.image(&node, &file, &Above::nothing());
        }
        if let Some(image) = loader.images.get_mut(before) {
            image.folder = folder.clone();
        }
    }
    let is_whole = !loader.notes.incomplete;
    let (sources, diagnostics) = loader.notes.finish();
    Loaded {
        workspace: Workspace {
            root,
            images: loader.images,
            groups: loader.groups,
            manifests: BTreeSet::new(),
            sources,
            looked: Looked::default(),
            allows: loader.allows,
            builder_instance: None,
            lock: None,
        },
        diagnostics,
        is_whole,
    }
}
