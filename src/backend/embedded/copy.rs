//! Where copied files go: the entries of a copy's layer, by the rules of a Dockerfile's `COPY`. Pure.
//!
//! Links on the way to the target are followed, so that no directory of a layer takes the place of a link to one. Below the
//! target, what is copied must not meet anything of another kind: Docker refuses that too.

use std::collections::BTreeMap;

use super::made::Key;
use super::owner::Owner;
use crate::backend::context::folders;
use crate::backend::oci::layer::{Encoding, Entry, EntryKind, Node, NodeKind};
use crate::backend::oci::tree::{NoWay, Tree};
use crate::backend::steps::main_file;
use crate::fingerprint::{self, Files};

/// The version of how copies become layers; part of the keys of their layers.
const FORMAT: &str = "copy 1";

/// The mode of directories that are made.
const FOLDER: u32 = 0o755;

/// What an entry is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copied<'a> {
    /// A directory.
    Folder,
    /// A file or link of the workspace.
    Workspace(&'a fingerprint::Entry),
    /// A file or link of another image.
    Image(&'a Node),
}

/// An entry of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) path: String,
    pub(super) from: Copied<'a>,
    pub(super) mode: u32,
    pub(super) owner: Owner,
}

impl Item<'_> {
    fn folder(path: String, owner: Owner) -> Self {
        Self {
            path,
            from: Copied::Folder,
            mode: FOLDER,
            owner,
        }
    }

    /// What a tar says about it, unless it is a file of another image.
    pub(super) fn entry(&self) -> Entry<'_> {
        use fingerprint::EntryKind as Kind;
        self.entry_of(match &self.from {
            Copied::Workspace(from) => match &from.kind {
                Kind::File { size, .. } => EntryKind::File { size: *size },
                Kind::Link { target } => EntryKind::Link { target },
                Kind::Folder => EntryKind::Folder,
            },
            Copied::Image(Node {
                kind: NodeKind::Link(target),
                ..
            }) => EntryKind::Link { target },
            Copied::Image(_) | Copied::Folder => EntryKind::Folder,
        })
    }

    pub(super) fn entry_of<'k>(&'k self, kind: EntryKind<'k>) -> Entry<'k> {
        Entry {
            path: &self.path,
            kind,
            mode: self.mode,
            uid: self.owner.user,
            gid: self.owner.group,
        }
    }
}

/// The entries for a copy of these files to `to`, an absolute path. `owner` is `None` if none was asked for.
pub(super) fn copy<'a>(
    tree: &Tree,
    files: &'a Files,
    to: &str,
    owner: Option<Owner>,
) -> Result<Vec<Item<'a>>, NoWay> {
    let mut items = Items::new(tree, owner.unwrap_or_default());
    let target = tree.resolve(to)?;
    if files.single {
        let name = main_file(files);
        let is_into = to.ends_with('/') || tree.is_folder(&target);
        let target = if is_into {
            below(&target, name)
        } else {
            target
        };
        for entry in files.entries.iter().filter(|entry| entry.path == name) {
            items.file(&target, entry)?;
        }
    } else {
        items.above(&below(&target, ""))?;
        for folder in folders(files) {
            items.folder(&below(&target, folder))?;
        }
        for entry in &files.entries {
            if entry.kind != fingerprint::EntryKind::Folder {
                items.file(&below(&target, &entry.path), entry)?;
            }
        }
    }
    Ok(items.items.into_values().collect())
}

/// The entries for a working directory: those of its path that are missing.
pub(super) fn folder(tree: &Tree, path: &str, owner: Owner) -> Result<Vec<Item<'static>>, NoWay> {
    let mut items = Items::new(tree, owner);
    let path = tree.resolve(path)?;
    if tree.is_folder(&path) {
        return Ok(Vec::new());
    }
    items.above(&below(&path, ""))?;
    Ok(items.items.into_values().collect())
}

pub(super) fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Entries of a layer, with the directories that they are in.
pub(super) struct Items<'a, 't> {
    tree: &'t Tree,
    /// The owner of everything that is copied or made.
    owner: Owner,
    /// By path, so that directories come before what is in them.
    pub(super) items: BTreeMap<String, Item<'a>>,
}

impl<'a, 't> Items<'a, 't> {
    pub(super) fn new(tree: &'t Tree, owner: Owner) -> Self {
        Self {
            tree,
            owner,
            items: BTreeMap::new(),
        }
    }

    /// The directories that a path is in: as they are, so that unpacking does not change them, or made.
    pub(super) fn above(&mut self, path: &str) -> Result<(), NoWay> {
        for (at, _) in path.match_indices('/') {
            let folder = &path[..at];
            if self.items.contains_key(folder) {
                continue;
            }
            let item = match self.tree.get(folder) {
                Some(node) if self.tree.is_folder(folder) => kept(node),
                Some(_) => return Err(NoWay::NoFolder(folder.to_owned())),
                None => Item::folder(folder.to_owned(), self.owner),
            };
            self.items.insert(folder.to_owned(), item);
        }
        Ok(())
    }

    fn folder(&mut self, path: &str) -> Result<(), NoWay> {
        self.folder_as(path, FOLDER, self.owner)
    }

    /// A directory with these attributes.
    pub(super) fn folder_as(&mut self, path: &str, mode: u32, owner: Owner) -> Result<(), NoWay> {
        self.above(path)?;
        match self.tree.get(path) {
            Some(_) if !self.tree.is_folder(path) => Err(NoWay::NoFolder(path.to_owned())),
            _ => {
                let folder = Item::folder(path.to_owned(), owner);
                self.items.insert(path.to_owned(), Item { mode, ..folder });
                Ok(())
            }
        }
    }

    fn file(&mut self, path: &str, entry: &'a fingerprint::Entry) -> Result<(), NoWay> {
        let mode = match &entry.kind {
            fingerprint::EntryKind::File {
                executable: true, ..
            } => 0o755,
            fingerprint::EntryKind::File { .. } => 0o644,
            _ => 0o777,
        };
        self.put(path, Copied::Workspace(entry), mode, self.owner)
    }

    /// A file or a link; a link in its place is replaced.
    pub(super) fn put(
        &mut self,
        path: &str,
        from: Copied<'a>,
        mode: u32,
        owner: Owner,
    ) -> Result<(), NoWay> {
        self.above(path)?;
        if self.tree.is_folder(path) {
            return Err(NoWay::Folder(path.to_owned()));
        }
        let path = path.to_owned();
        let item = Item {
            path: path.clone(),
            from,
            mode,
            owner,
        };
        self.items.insert(path, item);
        Ok(())
    }
}

fn kept(node: &Node) -> Item<'static> {
    Item {
        path: node.path.to_string(),
        from: Copied::Folder,
        mode: node.mode,
        owner: Owner {
            user: node.uid,
            group: node.gid,
        },
    }
}

/// What decides the bytes of a layer: paths, modes, owners, contents.
pub(super) fn key(items: &[Item<'_>], encoding: Encoding) -> String {
    use fingerprint::EntryKind as Kind;
    let mut key = Key::default();
    key.text(FORMAT);
    for item in items {
        key.text(&item.path);
        let numbers = [u64::from(item.mode), item.owner.user, item.owner.group];
        for number in numbers {
            key.number(number);
        }
        match item.from {
            Copied::Workspace(from) => match &from.kind {
                Kind::File { digest, .. } => {
                    key.text("file");
                    key.text(digest);
                }
                Kind::Link { target } => {
                    key.text("link");
                    key.text(target);
                }
                Kind::Folder => key.text("folder"),
            },
            Copied::Folder | Copied::Image(_) => key.text("folder"),
        }
    }
    key.finish(encoding)
}
