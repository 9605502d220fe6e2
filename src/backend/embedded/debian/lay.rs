//! Which package has which path: packages are laid on a base, one after the other, by dpkg's rules. Pure.
//!
//! Paths are followed through the links of the base and of the packages before: on a merged `/usr`, an entry `lib/x` becomes
//! `usr/lib/x`, because an entry `lib/` in a layer would take the place of the link.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::control::Stanza;
use super::deb::{Deb, Item, Kind};
use super::relation::{self, Relation};
use super::settings::Settings;
use crate::backend::embedded::copy::below;
use crate::backend::oci::layer::NodeKind;
use crate::backend::oci::tree::{self, NoWay, Tree};

/// How dpkg calls a configuration file until its package is configured: this comes after its name.
const NEW: &str = ".dpkg-new";

/// Why packages cannot be laid down here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LayError {
    /// What dpkg refuses too.
    #[error("`{package}` has `/{path}`, which `{other}` has too, and neither replaces the other")]
    Overwritten {
        package: String,
        path: String,
        other: String,
    },
    /// What dpkg has to decide.
    #[error("{0}")]
    Unclear(String),
    #[error("interrupted")]
    Cancelled,
}

/// A package to be laid down.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    /// Its name in dpkg's database: with the architecture, if several may be installed.
    pub(super) key: String,
    pub(super) name: &'a str,
    pub(super) stanza: Stanza<'a>,
    pub(super) deb: &'a Deb,
    /// Whether somebody asked for it, rather than another package.
    pub(super) is_requested: bool,
    /// What it may take files from.
    replaces: Vec<Relation>,
    /// The paths of its configuration files.
    conffiles: BTreeSet<String>,
}

impl<'a> Incoming<'a> {
    /// A package, whose stanza is that of its own file `control`.
    pub(super) fn new(stanza: Stanza<'a>, deb: &'a Deb) -> Self {
        let name = stanza.line("Package");
        let key = match stanza.line("Multi-Arch") {
            "same" => format!("{name}:{}", stanza.line("Architecture")),
            _ => name.to_owned(),
        };
        // What cannot be read allows nothing.
        let replaces = relation::read_flat(stanza.get("Replaces").unwrap_or_default());
        let conffiles = deb.text("conffiles");
        let conffiles = conffiles.lines().map(str::trim);
        Self {
            key,
            name,
            replaces: replaces.unwrap_or_default(),
            conffiles: conffiles
                .map(|path| path.trim_start_matches('/').to_owned())
                .collect(),
            stanza,
            deb,
            is_requested: true,
        }
    }

    /// Whether this is one of its configuration files.
    pub(super) fn configures(&self, item: &Item) -> bool {
        let is_file = matches!(item.kind, Kind::File { .. } | Kind::HardLink { .. });
        is_file && self.conffiles.contains(&item.path)
    }

    fn replaces(&self, other: &Incoming<'_>) -> bool {
        let version = other.stanza.line("Version");
        let mut each = self.replaces.iter();
        each.any(|meant| meant.name == other.name && meant.fits(version))
    }
}

/// What is at a path of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Folder,
    Link(String),
    /// The content of a file of a package: its number among the packages, and the file's among the package's items. Equal
    /// ones are hard links of each other.
    File(usize, usize),
    /// A file that no package has.
    Text(Vec<u8>),
}

/// An entry of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) content: Content,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
}

/// Packages on a base.
pub(super) struct Laid {
    base: Tree,
    /// What has been laid on it, by the paths that packages know: in front of the base, which is not changed, because that
    /// takes as long as it is large.
    laid: HashMap<String, NodeKind>,
    /// By path, so that directories come before what is in them.
    pub(super) entries: BTreeMap<String, Entry>,
    /// Which item of which package each path comes from, unless it is a directory.
    owners: BTreeMap<String, (usize, usize)>,
    /// The items that other packages have replaced: their numbers.
    pub(super) lost: Vec<(usize, usize)>,
    settings: Settings,
    /// The paths whose files dpkg would put elsewhere.
    diverted: Vec<String>,
    /// Whether configuration files wait under another name until dpkg configures their package, as when it unpacks them itself:
    /// scripts of other packages look for them.
    pub(super) is_waiting: bool,
}

impl Laid {
    /// Nothing on a base yet.
    pub(super) fn on(base: Tree) -> Self {
        Self {
            base,
            laid: HashMap::new(),
            entries: BTreeMap::new(),
            owners: BTreeMap::new(),
            lost: Vec::new(),
            settings: Settings::default(),
            diverted: Vec::new(),
            is_waiting: false,
        }
    }

    /// By the settings of the base's dpkg, and with its diversions; configuration files wait.
    pub(super) fn by(self, settings: Settings, diverted: Vec<String>) -> Self {
        Self {
            settings,
            diverted,
            is_waiting: true,
            ..self
        }
    }

    /// Lays down packages in this order, until `is_cancelled` says otherwise.
    pub(super) fn lay(
        &mut self,
        packages: &[Incoming<'_>],
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), LayError> {
        for at in 0..packages.len() {
            if is_cancelled() {
                return Err(LayError::Cancelled);
            }
            for item in 0..packages[at].deb.items.len() {
                self.item((at, item), packages)?;
            }
        }
        Ok(())
    }

    /// Puts a file, link or directory that no package has; directories above are made.
    pub(super) fn put(&mut self, path: &str, content: Content, mode: u32) -> Result<(), LayError> {
        let path = self.resolve_above(path)?;
        let entry = Entry {
            content,
            mode,
            uid: 0,
            gid: 0,
        };
        self.insert(path, entry);
        Ok(())
    }

    /// Adds the directories that entries are in: as they are in the base, so that unpacking does not change them.
    pub(super) fn add_parents(&mut self) {
        let mut missing = BTreeMap::new();
        for path in self.entries.keys() {
            for (at, _) in path.match_indices('/') {
                let above = &path[..at];
                if self.entries.contains_key(above) || missing.contains_key(above) {
                    continue;
                }
                let node = self.base.get(above);
                let (mode, uid, gid) =
                    node.map_or((0o755, 0, 0), |node| (node.mode, node.uid, node.gid));
                let content = Content::Folder;
                let entry = Entry {
                    content,
                    mode,
                    uid,
                    gid,
                };
                missing.insert(above.to_owned(), entry);
            }
        }
        self.entries.append(&mut missing);
    }

    /// Whether anything is at this path.
    pub(super) fn has(&self, path: &str) -> bool {
        self.kind(path).is_some()
    }

    fn kind(&self, path: &str) -> Option<&NodeKind> {
        let of_base = || self.base.get(path).map(|node| &node.kind);
        self.laid.get(path).or_else(of_base)
    }

    /// Whether the path, whose links have been followed, is a directory; the root always is.
    fn is_folder(&self, path: &str) -> bool {
        path.is_empty() || self.kind(path) == Some(&NodeKind::Folder)
    }

    fn item(
        &mut self,
        (at, number): (usize, usize),
        packages: &[Incoming<'_>],
    ) -> Result<(), LayError> {
        let package = &packages[at];
        let item = &package.deb.items[number];
        let is_folder = item.kind == Kind::Folder;
        if self.settings.leaves_out(&item.path, is_folder) {
            return Ok(());
        }
        if self.diverted.contains(&item.path) {
            let why = format!("`/{}` of `{}` is diverted", item.path, package.name);
            return Err(LayError::Unclear(why));
        }
        if item.kind == Kind::Folder {
            return self.folder(item, package);
        }
        let path = self.resolve_above(&item.path)?;
        let content = content(package.deb, (at, number));
        match self.kind(&path) {
            None => {}
            Some(NodeKind::Folder) => return self.over_folder(&path, item, package),
            Some(there) => match self.owners.get(&path) {
                // Such as the links of a merged `/usr`, if the package has the same.
                None if matches!((there, &item.kind), (NodeKind::Link(old), Kind::Link(new)) if old == new) =>
                    {}
                None => {
                    let why = format!("`/{path}` of `{}` is there already", package.name);
                    return Err(LayError::Unclear(why));
                }
                Some(&(other, lost)) => {
                    let old = &packages[other];
                    let was = old.configures(&old.deb.items[lost]);
                    if self.is_waiting && (was || package.configures(item)) {
                        let why = format!("`/{path}` is a configuration file of several packages");
                        return Err(LayError::Unclear(why));
                    }
                    if package.replaces(&packages[other]) {
                        self.lost.push((other, lost));
                    } else if packages[other].replaces(package) {
                        self.lost.push((at, number));
                        return Ok(());
                    } else {
                        return Err(LayError::Overwritten {
                            package: package.name.to_owned(),
                            path,
                            other: packages[other].name.to_owned(),
                        });
                    }
                }
            },
        }
        self.owners.insert(path.clone(), (at, number));
        let is_waiting = self.is_waiting && package.configures(item);
        self.insert_as(path, entry(content, item), is_waiting);
        Ok(())
    }

    /// dpkg leaves a directory that is there as it is, and follows a link to one.
    fn folder(&mut self, item: &Item, package: &Incoming<'_>) -> Result<(), LayError> {
        let path = self.resolve(&item.path)?;
        if self.is_folder(&path) {
            return Ok(());
        }
        if self.has(&path) {
            let why = format!("`/{path}` of `{}` is a file already", package.name);
            return Err(LayError::Unclear(why));
        }
        self.insert(path, entry(Content::Folder, item));
        Ok(())
    }

    /// dpkg leaves a directory where a link would lead to the same.
    fn over_folder(&self, path: &str, item: &Item, package: &Incoming<'_>) -> Result<(), LayError> {
        if let Kind::Link(target) = &item.kind {
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            let target = match target.strip_prefix('/') {
                Some(whole) => whole.to_owned(),
                None => below(above, target),
            };
            if self.resolve(&target)? == path {
                return Ok(());
            }
        }
        let why = format!("`/{path}` of `{}` is a directory already", package.name);
        Err(LayError::Unclear(why))
    }

    fn resolve(&self, path: &str) -> Result<String, LayError> {
        let resolved = tree::resolve(path, |path| self.kind(path));
        resolved.map_err(|why| LayError::Unclear(why.to_string()))
    }

    /// The path with its directory's links followed.
    fn resolve_above(&self, path: &str) -> Result<String, LayError> {
        Ok(match path.rsplit_once('/') {
            Some((above, name)) => {
                let above = self.resolve(above)?;
                if self.has(&above) && !self.is_folder(&above) {
                    return Err(LayError::Unclear(NoWay::NoFolder(above).to_string()));
                }
                below(&above, name)
            }
            None => path.to_owned(),
        })
    }

    fn insert(&mut self, path: String, entry: Entry) {
        self.insert_as(path, entry, false);
    }

    fn insert_as(&mut self, path: String, entry: Entry, is_waiting: bool) {
        let kind = match &entry.content {
            Content::Folder => NodeKind::Folder,
            Content::Link(target) => NodeKind::Link(target.clone()),
            Content::File(..) | Content::Text(_) => NodeKind::File(None),
        };
        self.laid.insert(path.clone(), kind);
        let name = if is_waiting { path + NEW } else { path };
        self.entries.insert(name, entry);
    }
}

fn entry(content: Content, item: &Item) -> Entry {
    Entry {
        content,
        mode: item.mode,
        uid: item.uid,
        gid: item.gid,
    }
}

/// What an item is, hard links as the file that they lead to.
fn content(deb: &Deb, (at, number): (usize, usize)) -> Content {
    match &deb.items[number].kind {
        Kind::Folder => Content::Folder,
        Kind::Link(target) => Content::Link(target.clone()),
        Kind::File { .. } => Content::File(at, number),
        Kind::HardLink { file } => Content::File(at, *file),
    }
}

#[cfg(test)]
mod tests;
