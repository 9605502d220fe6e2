//! The files of an image as its layers leave them: where a path really leads, and who owns it. Nothing is unpacked.

use std::collections::BTreeSet;
use std::mem;
use std::ops::Range;

use super::layer::{Index, Node, NodeKind};

/// How many links may lead to each other, as in Linux.
const LINKS: usize = 40;

/// The files of an image. Images have tens of thousands of them and are made in milliseconds, so the layers are shared, and what
/// is kept is only an order: a new layer is merged into it, which moves numbers and copies no file.
#[derive(Debug, Clone, Default)]
pub(in crate::backend) struct Tree {
    layers: Vec<Index>,
    /// What can be seen, in the order of paths.
    order: Vec<Place>,
}

/// An entry of a layer, by the numbers of both.
#[derive(Debug, Clone, Copy)]
struct Place {
    layer: u32,
    node: u32,
}

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
    /// Puts a layer on top. What it removes is of the layers below, wherever in the layer that is said.
    pub(in crate::backend) fn apply(&mut self, layer: &Index) {
        let at = u32::try_from(self.layers.len()).expect("there are not so many layers");
        self.layers.push(layer.clone());
        let mut new = Vec::with_capacity(layer.nodes.len());
        let mut gone = Vec::new();
        for (number, node) in (0..).zip(layer.nodes.iter()) {
            match &node.kind {
                NodeKind::Whiteout => {
                    gone.extend([self.at(&node.path), self.all_below(&node.path)]);
                }
                NodeKind::Opaque => gone.push(self.all_below(&node.path)),
                _ => new.push(Place {
                    layer: at,
                    node: number,
                }),
            }
        }
        self.remove(gone);
        // Stable: of several with one path the last one counts.
        new.sort_by(|one, other| self.path(*one).cmp(self.path(*other)));
        self.merge(&new);
    }

    /// Adds entries, which are in the order of paths, in front of those that are there.
    fn merge(&mut self, new: &[Place]) {
        let old = mem::take(&mut self.order);
        let mut order: Vec<Place> = Vec::with_capacity(old.len() + new.len());
        let mut rest = old.as_slice();
        let mut covered = Vec::new();
        for (number, place) in new.iter().enumerate() {
            let path = self.path(*place);
            if let Some(next) = new.get(number + 1)
                && self.path(*next) == path
            {
                continue;
            }
            let (before, after) = rest.split_at(self.count_before(rest, path));
            order.extend_from_slice(before);
            rest = after;
            if let Some((first, others)) = rest.split_first()
                && self.path(*first) == path
            {
                let is_folder = |place| self.node(place).kind == NodeKind::Folder;
                if is_folder(*first) && !is_folder(*place) {
                    covered.push(path.to_owned());
                }
                rest = others;
            }
            order.push(*place);
        }
        order.extend_from_slice(rest);
        self.order = order;
        self.remove(covered.iter().map(|path| self.all_below(path)).collect());
    }

    /// How many of these entries come before a path. Neighbours of a layer are mostly neighbours here, too, so the first ones are
    /// looked at first.
    fn count_before(&self, places: &[Place], path: &str) -> usize {
        let is_before = |place: &Place| self.path(*place) < path;
        let mut step = 1;
        while places.get(step - 1).is_some_and(is_before) {
            step *= 2;
        }
        let known = step / 2;
        known + places[known..places.len().min(step)].partition_point(is_before)
    }

    fn node(&self, place: Place) -> &Node {
        &self.layers[place.layer as usize].nodes[place.node as usize]
    }

    fn path(&self, place: Place) -> &str {
        &self.node(place).path
    }

    /// The number of the first entry that has this path or one after it.
    fn first(&self, path: &str) -> usize {
        self.order.partition_point(|place| self.path(*place) < path)
    }

    /// The number of the entry with this path, if there is one.
    fn at(&self, path: &str) -> Range<usize> {
        let first = self.first(path);
        first..first + usize::from(self.get(path).is_some())
    }

    /// The numbers of all entries in a directory.
    fn all_below(&self, path: &str) -> Range<usize> {
        if path.is_empty() {
            return 0..self.order.len();
        }
        // What follows the slash in the order of bytes.
        self.first(&format!("{path}/"))..self.first(&format!("{path}0"))
    }

    /// Removes entries by their numbers, in one pass however many they are.
    fn remove(&mut self, mut gone: Vec<Range<usize>>) {
        gone.retain(|range| !range.is_empty());
        if gone.is_empty() {
            return;
        }
        gone.sort_unstable_by_key(|range| range.start);
        let old = mem::take(&mut self.order);
        self.order.reserve(old.len());
        let mut at = 0;
        for range in gone {
            self.order.extend_from_slice(&old[at..range.start.max(at)]);
            at = at.max(range.end);
        }
        self.order.extend_from_slice(&old[at..]);
    }

    /// What has this path or one after it, in order.
    fn from<'a>(&'a self, path: &str) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        let all = self.order[self.first(path)..].iter();
        all.map(|place| self.node(*place))
            .map(|node| (&*node.path, node))
    }

    pub(in crate::backend) fn get(&self, path: &str) -> Option<&Node> {
        let node = self.node(*self.order.get(self.first(path))?);
        (*node.path == *path).then_some(node)
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
        resolve(path, |path| self.get(path).map(|node| &node.kind))
    }
}

/// Where a path leads, as in [`Tree::resolve`], with `kind` to say what is at a path.
pub(in crate::backend) fn resolve<'k>(
    path: &str,
    kind: impl Fn(&str) -> Option<&'k NodeKind>,
) -> Result<String, NoWay> {
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
        match kind(&here) {
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
        tree.apply(&nodes.collect());
        tree
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

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
        words.split_whitespace().map(node).collect()
    }

    fn tree(layers: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for layer in layers {
            tree.apply(&index(layer));
        }
        tree
    }

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.order.iter().map(|place| tree.path(*place)).collect()
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
        // What is removed is below, also if it is said late; of two with one path the later one is meant.
        let late = tree(&["a/ a/b c", "a/ a/new c -c !a"]);
        assert_eq!(paths(&late), ["a", "a/new", "c"]);
        assert!(!tree(&["a/ a"]).is_folder("a"));
    }

    /// What can be seen, by the rules in their plainest form: the layers of words from the lowest on.
    fn seen(layers: &[Vec<String>]) -> BTreeMap<String, bool> {
        let mut all: BTreeMap<String, bool> = BTreeMap::new();
        let is_below =
            |path: &str, of: &str| path.strip_prefix(of).is_some_and(|it| it.starts_with('/'));
        for layer in layers {
            for word in layer {
                if let Some(gone) = word.strip_prefix('-') {
                    all.retain(|path, _| path != gone && !is_below(path, gone));
                } else if let Some(emptied) = word.strip_prefix('!') {
                    all.retain(|path, _| !is_below(path, emptied));
                }
            }
            let mut covered = Vec::new();
            let mut own = BTreeMap::new();
            for word in layer.iter().filter(|word| !word.starts_with(['-', '!'])) {
                let is_folder = word.ends_with('/');
                own.insert(word.trim_end_matches('/').to_owned(), is_folder);
            }
            for (path, is_folder) in own {
                let before = all.insert(path.clone(), is_folder);
                if before == Some(true) && !is_folder {
                    covered.push(path);
                }
            }
            for path in covered {
                all.retain(|other, _| !is_below(other, &path));
            }
        }
        all
    }

    proptest! {
        #[test]
        fn any_layers_leave_what_the_rules_say(
            layers in vec(vec("[-!]?[ab](-b|/[ab]|/[ab]/[ab])?/?", 0..12), 1..5)
        ) {
            let plain = |word: &String| {
                let is_removal = word.starts_with(['-', '!']);
                let end = if is_removal { word.trim_end_matches('/') } else { word };
                end.to_owned()
            };
            let plain = |layer: &Vec<String>| layer.iter().map(plain).collect();
            let layers: Vec<Vec<String>> = layers.iter().map(plain).collect();
            let mut tree = Tree::default();
            for layer in &layers {
                tree.apply(&index(&layer.join(" ")));
            }
            let expected = seen(&layers);
            let found = tree.from("").map(|(path, node)| (path.to_owned(), node.kind == NodeKind::Folder));
            prop_assert_eq!(found.collect::<BTreeMap<_, _>>(), expected.clone());
            prop_assert_eq!(tree.order.len(), expected.len());
            for path in ["a", "a/b", "a/b/a", "b-b", "c"] {
                prop_assert_eq!(tree.get(path).is_some(), expected.contains_key(path));
            }
        }
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
