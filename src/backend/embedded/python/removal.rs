//! What has to go of a package that is replaced: exactly what uv removes. Pure.
//!
//! Of a wheel, that is what its RECORD lists, unless another package's RECORD lists it too, and directories beside other
//! packages that are left empty; those elsewhere, such as `bin`, stay. What lies outside the directories into which
//! packages are installed is not touched, whatever a RECORD says.

use std::collections::{BTreeMap, BTreeSet};

use super::present::{Metadata, Present};
use super::{Scheme, record};
use crate::backend::oci::layer::{Node, NodeKind};
use crate::backend::oci::tree::Tree;

/// Texts of an image by path.
pub(super) type Texts = BTreeMap<String, String>;

/// The removal of packages from an image.
pub(super) struct Removal<'a> {
    /// The image's files without what was removed so far.
    tree: Tree,
    scheme: &'a Scheme,
    texts: &'a Texts,
    gone: BTreeSet<String>,
    /// What is worth knowing, in words.
    pub(super) told: Vec<String>,
}

/// The texts that a removal needs of an image which it has.
pub(super) fn wanted(tree: &Tree, of: &[&Present]) -> Vec<String> {
    let mut paths = BTreeSet::new();
    for present in of {
        match present.metadata {
            Metadata::Wheel => {
                // Those of the others too: they may share files.
                let infos = tree.names(&present.library).into_iter();
                let infos = infos.filter(|name| name.ends_with(".dist-info"));
                paths.extend(infos.map(|name| format!("{}/{name}/RECORD", present.library)));
            }
            Metadata::Egg => {
                for name in ["top_level.txt", "namespace_packages.txt"] {
                    paths.insert(format!("{}/{name}", present.path()));
                }
            }
            Metadata::Distutils | Metadata::Sources => {}
        }
    }
    let is_file = |path: &String| {
        let node = tree.get(path);
        node.is_some_and(|node| matches!(node.kind, NodeKind::File(_) | NodeKind::HardLink(_)))
    };
    paths.into_iter().filter(is_file).collect()
}

impl<'a> Removal<'a> {
    pub(super) fn new(tree: Tree, scheme: &'a Scheme, texts: &'a Texts) -> Self {
        Self {
            tree,
            scheme,
            texts,
            gone: BTreeSet::new(),
            told: Vec::new(),
        }
    }

    /// Removes a package; the error says why that is not possible.
    pub(super) fn remove(&mut self, present: &Present) -> Result<(), String> {
        match present.metadata {
            Metadata::Wheel => self.wheel(present),
            Metadata::Egg => {
                self.egg(present);
                Ok(())
            }
            Metadata::Distutils => Err(format!(
                "it was installed by distutils: `/{}` does not tell which files are its own",
                present.path()
            )),
            Metadata::Sources => Err(format!(
                "it is installed from its sources by `/{}`",
                present.path()
            )),
        }
    }

    /// The paths that are removed; nothing is said of what is inside a removed directory.
    pub(super) fn finish(self) -> BTreeSet<String> {
        let is_inside = |path: &str| {
            let mut above = path.match_indices('/');
            above.any(|(at, _)| self.gone.contains(&path[..at]))
        };
        let gone = self.gone.iter().filter(|path| !is_inside(path));
        gone.cloned().collect()
    }

    fn wheel(&mut self, present: &Present) -> Result<(), String> {
        let library = present.library.as_str();
        let own = format!("{}/RECORD", present.path());
        let Some(text) = self.texts.get(&own) else {
            self.told.push(format!(
                "`/{}` has no RECORD: what it replaces is not removed",
                present.path()
            ));
            return Ok(());
        };
        let Some(rows) = record::paths(text) else {
            return Err(format!("its `/{own}` is no list of files"));
        };
        let kept = self.others(library, &own);
        let mut visited = BTreeSet::new();
        for row in rows {
            let path = lexical(library, &row);
            if !self.is_in_scheme(&path) {
                let why = format!("`/{own}` lists `{row}`, which no package installs: it stays");
                self.told.push(why);
                continue;
            }
            if kept.contains(&path) {
                continue;
            }
            let Some(real) = self.real(&path) else {
                continue;
            };
            let is_folder = self.is_folder(&real);
            self.drop_path(&real);
            if let Some((above, _)) = real.rsplit_once('/').filter(|_| !is_folder) {
                visited.insert(above.to_owned());
            }
        }
        for folder in visited.iter().rev() {
            self.drop_empty(folder, library);
        }
        Ok(())
    }

    /// The paths in the RECORDs of other packages.
    fn others(&self, library: &str, own: &str) -> BTreeSet<String> {
        let mut kept = BTreeSet::new();
        for (path, text) in self.texts {
            let info = path.strip_suffix("/RECORD").and_then(|info| {
                let above = info.strip_prefix(library)?.strip_prefix('/')?;
                (!above.contains('/')).then_some(info)
            });
            // One that was removed has none any more.
            if path == own || info.is_none() || self.tree.get(path).is_none() {
                continue;
            }
            let rows = record::paths(text).unwrap_or_default();
            kept.extend(rows.iter().map(|row| lexical(library, row)));
        }
        kept
    }

    /// Whether packages are installed here; `path` has no slash at its start.
    fn is_in_scheme(&self, path: &str) -> bool {
        let Scheme {
            purelib,
            platlib,
            scripts,
            headers,
            data,
        } = self.scheme;
        [purelib, platlib, scripts, headers, data]
            .iter()
            .any(|folder| {
                let places = [
                    Some(folder.trim_matches('/').to_owned()),
                    self.tree.resolve(folder).ok(),
                ];
                places.iter().flatten().any(|folder| is_in(path, folder))
            })
    }

    /// Where a path is whose directories may be links, if anything is there. The last part is not followed.
    fn real(&self, path: &str) -> Option<String> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let above = self.tree.resolve(above).ok()?;
        let real = match above.as_str() {
            "" => name.to_owned(),
            above => format!("{above}/{name}"),
        };
        let is_there = self.tree.get(&real).is_some() || self.is_folder(&real);
        is_there.then_some(real)
    }

    /// Whether it is a directory, if only because something is in it.
    fn is_folder(&self, path: &str) -> bool {
        self.tree.is_folder(path) || self.tree.below(path).next().is_some()
    }

    /// Removes a directory beside other packages if it is empty, and those above it; bytecode does not keep one.
    fn drop_empty(&mut self, folder: &str, library: &str) {
        let mut folder = folder;
        while folder != library && is_in(folder, library) {
            let bytecode = format!("{folder}/__pycache__");
            if self.is_folder(&bytecode) {
                self.drop_path(&bytecode);
            }
            if self.tree.below(folder).next().is_some() {
                return;
            }
            self.drop_path(folder);
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }

    /// Removes the modules that an egg names, and its metadata.
    fn egg(&mut self, present: &Present) {
        let library = present.library.as_str();
        let list = |name: &str| {
            let text = self.texts.get(&format!("{}/{name}", present.path()));
            let lines = text.map(|text| text.lines().map(str::trim));
            let lines = lines.map(|lines| lines.filter(|line| !line.is_empty()));
            lines.map(|lines| lines.map(str::to_owned).collect::<Vec<_>>())
        };
        let shared = list("namespace_packages.txt").unwrap_or_default();
        let Some(modules) = list("top_level.txt") else {
            self.told.push(format!(
                "`/{}` has no `top_level.txt`: what it replaces is not removed",
                present.path()
            ));
            return;
        };
        for module in modules.iter().filter(|module| !shared.contains(module)) {
            if matches!(module.as_str(), "." | "..") || module.contains(['/', '\\']) {
                let path = present.path();
                let why = format!("`/{path}` lists `{module}`, which is no module: it stays");
                self.told.push(why);
                continue;
            }
            let endings = ["", ".py", ".pyc", ".pyo"];
            let mut paths = endings.iter().map(|end| format!("{library}/{module}{end}"));
            let found = paths.find(|path| match path.rsplit_once('/') {
                Some((_, name)) if name == module => self.is_folder(path),
                _ => self.tree.get(path).is_some(),
            });
            if let Some(path) = found {
                self.drop_path(&path);
            }
        }
        self.drop_path(&present.path());
    }

    fn drop_path(&mut self, path: &str) {
        let whiteout = Node {
            path: path.into(),
            kind: NodeKind::Whiteout,
            mode: 0,
            uid: 0,
            gid: 0,
        };
        self.tree.apply(&[whiteout].into_iter().collect());
        self.gone.insert(path.to_owned());
    }
}

/// Whether a path is this directory or in it.
fn is_in(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path of a RECORD's row, without `.` and `..`, and without slashes at its ends.
fn lexical(library: &str, row: &str) -> String {
    let whole = if row.starts_with('/') {
        row.to_owned()
    } else {
        format!("{library}/{row}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
