//! What all nodes of a lock file have in common: their arguments, and how mistakes in them are told.

use std::collections::BTreeMap;

use crate::backend::oci::name::Digest;
use crate::diagnostic::{Diagnostic, Place};
use crate::manifest::{Data, Node};
use crate::workspace::{DebianField, LOCK_FILE, Lock};

/// What to do about an invalid file.
pub(super) const RESTORE: &str =
    "only `imgspec lock` writes this file: restore it, or remove it and run `imgspec lock`";

/// What was read of a lock so far, and what is wrong with it.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) version: u32,
    pub(super) lock: Lock,
    /// Where each image was declared.
    pub(super) declared: BTreeMap<String, Place>,
    /// Where the packages of each image and step were declared.
    pub(super) installed: BTreeMap<(String, usize), Place>,
    /// Where the Debian packages of each image and field were declared.
    pub(super) debian: BTreeMap<(String, DebianField), Place>,
    pub(super) mistakes: Vec<Diagnostic>,
}

impl Reader {
    /// The arguments of a node without properties, if they are exactly `N` strings.
    pub(super) fn texts<const N: usize>(&mut self, node: &Node) -> Option<[String; N]> {
        self.texts_beside(node, node.props.is_empty())
    }

    /// The arguments of a node, if they are exactly `N` strings and its properties are `fine`.
    pub(super) fn texts_beside<const N: usize>(
        &mut self,
        node: &Node,
        fine: bool,
    ) -> Option<[String; N]> {
        let texts = node.args.iter().filter_map(|value| match &value.data {
            Data::Text { text, .. } => Some(text.clone()),
            _ => None,
        });
        let texts: Vec<String> = texts.collect();
        let is_plain = fine && texts.len() == node.args.len();
        let texts = texts.try_into().ok().filter(|_| is_plain);
        if texts.is_none() {
            self.wrong(
                node.head(),
                &format!("`{}` has the wrong arguments", node.name.text),
            );
        }
        texts
    }

    pub(super) fn digest(&mut self, node: &Node, text: &str) {
        if Digest::read(text).is_none() {
            self.wrong(node.head(), "this is not a sha256 digest");
        }
    }

    pub(super) fn wrong(&mut self, place: Place, why: &str) {
        let message = format!("`{LOCK_FILE}` is damaged: {why}");
        let mistake = Diagnostic::error("wrong-lock", message).at(place, "");
        self.mistakes.push(mistake.help(RESTORE));
    }
}
