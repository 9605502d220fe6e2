//! What all nodes of a lock file have in common: their arguments, and how mistakes in them are told.

use std::collections::BTreeMap;

use crate::backend::oci::name::Digest;
use crate::diagnostic::{Diagnostic, Place, shown};
use crate::manifest::{Data, Node};
use crate::workspace::{DebianField, LOCK_FILE, Lock};

/// What to do about an invalid file.
pub(super) const RESTORE: &str =
    "only `imgspec lock` writes this file: restore it, or remove it and run `imgspec lock`";

/// The version of a file without Python packages that have only sources, which older releases read too.
pub(super) const WITHOUT_SOURCES: u32 = 3;

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

    /// The packages of a platform, which all are nodes of these kinds, sorted. `name` tells which package one is.
    pub(super) fn listed<T: Ord>(
        &mut self,
        node: &Node,
        kinds: &[&str],
        read: fn(&mut Self, &Node) -> Option<T>,
        name: fn(&T) -> &str,
    ) -> Option<Vec<T>> {
        let mut packages = Vec::new();
        for child in &node.children {
            if kinds.contains(&child.name.text.as_str()) {
                packages.extend(read(self, child));
            } else {
                let why = format!("a platform cannot contain `{}`", shown(&child.name.text));
                self.wrong(child.head(), &why);
            }
        }
        packages.sort();
        if packages.is_sorted_by(|one, next| name(one) < name(next)) {
            return Some(packages);
        }
        self.wrong(node.head(), "one of its packages is listed twice");
        None
    }

    pub(super) fn wrong(&mut self, place: Place, why: &str) {
        let message = format!("`{LOCK_FILE}` is damaged: {why}");
        let mistake = Diagnostic::error("wrong-lock", message).at(place, "");
        self.mistakes.push(mistake.help(RESTORE));
    }
}

/// What a package says beside its name and its file.
#[derive(Default)]
pub(super) struct Beside {
    /// Its size in bytes, if it is known.
    pub(super) size: Option<u64>,
    pub(super) is_requested: bool,
    /// Whether it says nothing else.
    pub(super) is_fine: bool,
}

impl Beside {
    pub(super) fn read(node: &Node) -> Self {
        let mut beside = Self {
            is_fine: true,
            ..Self::default()
        };
        for prop in &node.props {
            match (prop.name.text.as_str(), &prop.value.data) {
                ("size", data) if beside.size.is_none() => {
                    beside.size = number(data);
                    beside.is_fine &= beside.size.is_some();
                }
                ("requested", Data::Bool(true)) if !beside.is_requested => {
                    beside.is_requested = true;
                }
                _ => beside.is_fine = false,
            }
        }
        beside
    }
}

pub(super) fn number(data: &Data) -> Option<u64> {
    match data {
        Data::Number(text) => text.parse().ok(),
        _ => None,
    }
}
