//! The files of an image as its layers leave them: where a path really leads, and who owns it. Nothing is unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::layer::{Index, Node, NodeKind};

/// How many links may lead to each other, as in Linux.
const LINKS: usize = 40;

/// The files of an image, by path without slashes at its ends.
#[derive(Debug, Clone, Default)]
pub(in crate::backend) struct Tree(BTreeMap<Arc<str>, Node>);

/// A path that cannot be followed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::backend) enum NoWay {
    #[error("too many symbolic links in `/{0}`")]
    Links(String),
    #[error("`/{0}` is not a directory in the image")]
    NoFolder(String),
    #[error("`/{0}` is a directory in the image, where a file would be")]
    Folder(String),
}

impl Tree {
    /// Puts a layer on top.
    pub(in crate::backend) fn apply(&mut self, layer: &Index) {
        for node in &layer.nodes {
            match &node.kind {
                NodeKind::Whiteout => {
                    self.0.remove(&*node.path);
                    self.remove_below(&node.path);
                }
                NodeKind::Opaque => self.remove_below(&node.path),
                NodeKind::Folder => {
                    self.0.insert(node.path.clone(), node.clone());
                }
                _ => {
                    let before = self.0.insert(node.path.clone(), node.clone());
                    if before.is_some_and(|before| before.kind == NodeKind::Folder) {
                        self.remove_below(&node.path);
                    }
                }
            }
        }
    }

    fn remove_below(&mut self, path: &str) {
        let below = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let gone = self.from(&below);
        let gone = gone.take_while(|(path, _)| path.starts_with(&below));
        let gone: Vec<Arc<str>> = gone.map(|(path, _)| path.clone()).collect();
        for path in gone {
            self.0.remove(&path);
        }
    }

    /// What has this path or one after it, in order.
    fn from<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a Arc<str>, &'a Node)> + use<'a> {
        self.0
            .range::<str, _>((Bound::Included(path), Bound::Unbounded))
    }

    pub(in crate::backend) fn get(&self, path: &str) -> Option<&Node> {
        self.0.get(path)
    }

    /// Whether anything has this path, whose links have been followed. Layers need not mention directories.
    pub(in crate::backend) fn has(&self, path: &str) -> bool {
        path.is_empty() || self.get(path).is_some() || self.has_in(path)
    }

    /// Whether anything is in this directory, whose links have been followed.
    pub(in crate::backend) fn has_in(&self, path: &str) -> bool {
        self.below(path).next().is_some()
    }

    /// Whether the path, whose links have been followed, is a directory; the root always is.
    pub(in crate::backend) fn is_folder(&self, path: &str) -> bool {
        path.is_empty()
            || self
                .get(path)
                .is_some_and(|node| node.kind == NodeKind::Folder)
    }

    /// The names in a directory whose links have been followed.
    pub(in crate::backend) fn names<'a>(&'a self, folder: &str) -> BTreeSet<&'a str> {
        let above = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let inside = self.from(&above);
        let inside = inside.map_while(|(path, _)| path.strip_prefix(&above));
        inside.filter_map(|path| path.split('/').next()).collect()
    }

    /// Everything in a directory whose links have been followed, by paths from there.
    pub(in crate::backend) fn below<'a>(
        &'a self,
        folder: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let above = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let inside = self.from(&above);
        let inside = inside.map_while(move |(path, node)| Some((path.strip_prefix(&above)?, node)));
        inside.filter(|(path, _)| !path.is_empty())
    }

    /// The text of a file that has been kept, such as `etc/passwd`.
    pub(in crate::backend) fn text(&self, path: &str) -> Option<&str> {
        match &self.get(&self.resolve(path).ok()?)?.kind {
            NodeKind::File(text) => text.as_deref(),
            _ => None,
        }
    }

    /// Where a path leads when all links are followed, also those out of the image, which lead to its root. What does not
    /// exist stays as it is written.
    pub(in crate::backend) fn resolve(&self, path: &str) -> Result<String, NoWay> {
        let mut rest: Vec<String> = parts(path);
        let mut found: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            if part == ".." {
                found.pop();
                continue;
            }
            found.push(part);
            let here = found.join("/");
            match self.get(&here).map(|node| &node.kind) {
                Some(NodeKind::Link(target)) => {
                    links += 1;
                    if links > LINKS {
                        return Err(NoWay::Links(path.trim_matches('/').to_owned()));
                    }
                    found.pop();
                    if target.starts_with('/') {
                        found.clear();
                    }
                    rest.extend(parts(target));
                }
                Some(NodeKind::Folder) | None => {}
                Some(_) if rest.is_empty() => {}
                Some(_) => return Err(NoWay::NoFolder(here)),
            }
        }
        Ok(found.join("/"))
    }
}

/// The parts of a path, the last one first.
fn parts(path: &str) -> Vec<String> {
    let parts = path.split('/').rev();
    let parts = parts.filter(|part| !matches!(*part, "" | "."));
    parts.map(str::to_owned).collect()
}

#[cfg(test)]
impl Tree {
    /// An image of these files, root's, by path and text.
    pub(in crate::backend) fn of_texts(files: &[(&str, &str)]) -> Self {
        let nodes = files.iter().map(|(path, text)| Node {
            path: (*path).into(),
            kind: NodeKind::File(Some((*text).to_owned())),
            mode: 0o644,
            uid: 0,
            gid: 0,
        });
        let mut tree = Self::default();
        tree.apply(&Index {
            nodes: nodes.collect(),
        });
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An index of words: `d/` is a directory, `a>b` a link, `-x` a whiteout, `!d` an opaque directory.
    fn index(words: &str) -> Index {
        let node = |word: &str| {
            let (path, kind) = if let Some((path, target)) = word.split_once('>') {
                (path, NodeKind::Link(target.to_owned()))
            } else if let Some(path) = word.strip_suffix('/') {
                (path, NodeKind::Folder)
            } else if let Some(path) = word.strip_prefix('-') {
                (path, NodeKind::Whiteout)
            } else if let Some(path) = word.strip_prefix('!') {
                (path, NodeKind::Opaque)
            } else {
                (word, NodeKind::File(None))
            };
            Node {
                path: path.into(),
                kind,
                mode: 0o755,
                uid: 0,
                gid: 0,
            }
        };
        Index {
            nodes: words.split_whitespace().map(node).collect(),
        }
    }

    fn tree(layers: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for layer in layers {
            tree.apply(&index(layer));
        }
        tree
    }

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.0.keys().map(|path| &**path).collect()
    }

    #[test]
    fn layers_cover_each_other() {
        let all = tree(&["a/ a/b a/c/ a/c/d a-b x", "-a/c !nothing a/e"]);
        assert_eq!(paths(&all), ["a", "a-b", "a/b", "a/e", "x"]);
        let opaque = tree(&["a/ a/b a/c/ a/c/d x", "a/ !a a/new"]);
        assert_eq!(paths(&opaque), ["a", "a/new", "x"]);
        let replaced = tree(&["a/ a/b x", "a>x"]);
        assert_eq!(paths(&replaced), ["a", "x"]);
        assert_eq!(paths(&tree(&["a/ b", "!"])), [""; 0]);
    }

    #[test]
    fn paths_lead_where_they_would_in_a_container() {
        let tree =
            tree(&["usr/ usr/lib/ lib>usr/lib var/ var/run>/run run/ up>../../usr loop>loop f"]);
        let resolve = |path: &str| tree.resolve(path);
        assert_eq!(resolve("/lib/x.so").unwrap(), "usr/lib/x.so");
        assert_eq!(resolve("/var/run/app/pid").unwrap(), "run/app/pid");
        assert_eq!(resolve("up/./lib/").unwrap(), "usr/lib");
        assert_eq!(resolve("/new/../f").unwrap(), "f");
        assert_eq!(resolve("/").unwrap(), "");
        assert_eq!(resolve("../../x").unwrap(), "x");
        assert_eq!(resolve("f/x"), Err(NoWay::NoFolder("f".into())));
        assert_eq!(resolve("loop/x"), Err(NoWay::Links("loop/x".into())));
        assert_eq!(Vec::from_iter(tree.names("usr")), ["lib"]);
        assert!(tree.is_folder("") && tree.is_folder("usr/lib") && !tree.is_folder("lib"));
    }
}
