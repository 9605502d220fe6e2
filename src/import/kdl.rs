//! Writes imported images as a manifest, formatted as a person would write it.
//!
//! This module decides what a whole manifest consists of; [`write`] formats the nodes.

use super::imported::{Imported, NewImage, NewNode};
use crate::diagnostic::{is_unseen, quoted};
use crate::manifest::write::{self, NodeWriter};

/// Fields that move to `defaults` if all images agree on them.
const SHARED: &[&str] = &["registry", "builder", "platform"];

impl Imported {
    /// Returns the text of the manifest.
    pub fn manifest(&self) -> String {
        let mut has_braces = false;
        let mut writer = NodeWriter::new(|text: &str, depth: usize| {
            write::text(text, depth).unwrap_or_else(|| {
                has_braces = true;
                quoted(text).replace("{{", "{{ braces }}")
            })
        });
        let (shared, images) = shared(self);
        if !shared.is_empty() {
            let mut defaults = NewNode::words("defaults", Vec::new());
            defaults.children = shared;
            writer.out.push('\n');
            writer.node(&defaults, 0);
        }
        for image in images {
            writer.out.push('\n');
            if let Some(words) = &image.comment {
                writer.out += &format!("// {}\n", comment(words));
            }
            let mut node = NewNode::new("image", image.id);
            node.children = image.fields;
            node.children.sort_by_key(|field| write::rank(&field.name));
            writer.node(&node, 0);
        }
        for group in &self.groups {
            writer.out.push('\n');
            let mut node = NewNode::new("group", &group.name);
            node.children = vec![NewNode::list("images", group.members.clone())];
            writer.node(&node, 0);
        }
        let body = writer.out;
        let mut head = format!("// From {}, by `imgspec import`.\n", comment(&self.title));
        if has_braces {
            head +=
                "\n// For texts with two literal braces.\nvariable \"braces\" default=#\"{{\"#\n";
        }
        head + &body
    }
}

/// Splits off the fields that all images agree on.
fn shared(imported: &Imported) -> (Vec<NewNode>, Vec<NewImage>) {
    let version = imported.flytekit.as_ref();
    let mut shared: Vec<NewNode> = version
        .map(|version| NewNode::new("flytekit", version))
        .into_iter()
        .collect();
    let mut images = imported.images.clone();
    if images.len() < 2 {
        return (shared, images);
    }
    for name in SHARED {
        let find = |image: &NewImage| image.fields.iter().find(|node| node.name == *name).cloned();
        let first = find(&images[0]);
        if first.is_some() && images.iter().all(|image| find(image) == first) {
            shared.extend(first);
            for image in &mut images {
                image.fields.retain(|node| node.name != *name);
            }
        }
    }
    (shared, images)
}

/// Makes text safe to follow `//`.
fn comment(text: &str) -> String {
    let is_safe = |c: &char| !c.is_control() && !is_unseen(*c);
    text.chars().filter(is_safe).collect()
}
