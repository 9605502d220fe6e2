//! Which directories have to be watched, and which inputs an event in one of them affects.
//!
//! Built from the trail that each file set left when it was read. Only directories are watched, not files: when an
//! editor saves by renaming, a watch on the file stays with the old inode.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fingerprint::FileReader;
use crate::fingerprint::files::Trail;
use crate::fingerprint::files::trail::way;
use crate::recipe::FileSet;
use crate::workspace::{STATE_FOLDER, Workspace};

/// Something read from files, which may change with them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Input {
    /// The set of manifests and their contents.
    Manifests,
    /// A file set of one or more images.
    Set(Arc<FileSet>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathEvent {
    /// Its content or mode changed.
    Changed,
    /// It was created, removed or replaced.
    CameOrWent,
}

/// The events in a directory that affect an input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Everything,
    /// An entry is created or removed.
    Names,
    /// Anything happens to the entry of this name.
    Name(OsString),
}

/// The directories to watch, each with the inputs that events there affect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    root: PathBuf,
    folders: BTreeMap<PathBuf, BTreeSet<(Scope, Input)>>,
}

impl Places {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            folders: BTreeMap::new(),
        }
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.keys().map(PathBuf::as_path)
    }

    pub(super) fn len(&self) -> usize {
        self.folders.len()
    }

    pub(super) fn holds(&self, folder: &Path) -> bool {
        self.folders.contains_key(folder)
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (folder, concerned) in &other.folders {
            both.at(folder).extend(concerned.iter().cloned());
        }
        both
    }

    /// The part that concerns the given file sets.
    pub(super) fn only(&self, sets: &BTreeSet<&FileSet>) -> Self {
        let is_wanted =
            |pair: &&(Scope, Input)| matches!(&pair.1, Input::Set(set) if sets.contains(&**set));
        let mut places = Self::new(&self.root);
        for (folder, concerned) in &self.folders {
            let own: BTreeSet<_> = concerned.iter().filter(is_wanted).cloned().collect();
            if !own.is_empty() {
                places.folders.insert(folder.clone(), own);
            }
        }
        places
    }

    /// All inputs that any event in the directory may affect.
    pub(super) fn of(&self, folder: &Path) -> BTreeSet<Input> {
        let concerned = self.folders.get(folder).into_iter().flatten();
        concerned.map(|(_, input)| input.clone()).collect()
    }

    /// The inputs that an event of `kind` at `path` affects.
    pub(super) fn concerned(&self, path: &Path, kind: PathEvent) -> BTreeSet<Input> {
        if path == self.root.join(STATE_FOLDER) {
            return BTreeSet::new();
        }
        let comes_or_goes = kind == PathEvent::CameOrWent;
        let mut concerned = if comes_or_goes {
            self.of(path)
        } else {
            BTreeSet::new()
        };
        let folder = path.parent().and_then(|folder| self.folders.get(folder));
        if let (Some(folder), Some(name)) = (folder, path.file_name()) {
            let names = comes_or_goes.then_some(Scope::Names);
            for scope in [Scope::Everything, Scope::Name(name.to_owned())]
                .into_iter()
                .chain(names)
            {
                // `Input::Manifests` sorts first.
                let from = folder.range((scope.clone(), Input::Manifests)..);
                let of_scope = from.take_while(|(own, _)| *own == scope);
                concerned.extend(of_scope.map(|(_, input)| input.clone()));
            }
        }
        concerned
    }

    /// Adds the manifests, and the directories that includes search.
    pub(super) fn add_manifests(&mut self, workspace: &Workspace) {
        for file in &workspace.looked.files {
            self.follow(file, &Input::Manifests);
        }
        for folder in &workspace.looked.folders {
            self.follow(folder, &Input::Manifests);
            if folder.is_dir() {
                self.at(folder).insert((Scope::Names, Input::Manifests));
            }
        }
    }

    /// Adds the paths that images of invalid manifests name, and what was read for them: the error may be that one is
    /// missing.
    pub(super) fn add_suspects(&mut self, workspace: &Workspace, trail: &Trail) {
        let named = workspace.images.iter().flat_map(|image| image.spec.paths());
        let mut all = trail.clone();
        all.paths
            .extend(named.map(|(_, path, _)| path.under(&self.root)));
        self.add(&Input::Manifests, &all);
    }

    pub(super) fn add_sets(&mut self, sets: &BTreeSet<&FileSet>, reader: &FileReader) {
        for set in sets {
            let input = Input::Set(Arc::new((*set).clone()));
            self.add(&input, &reader.trail(set));
        }
    }

    fn add(&mut self, input: &Input, trail: &Trail) {
        for folder in &trail.listed {
            self.at(folder).insert((Scope::Everything, input.clone()));
        }
        for path in &trail.paths {
            self.follow(path, input);
        }
    }

    /// Adds every component on the way to a path, including those behind symlinks.
    fn follow(&mut self, path: &Path, input: &Input) {
        for (folder, name) in way(&self.root, path) {
            self.at(&folder).insert((Scope::Name(name), input.clone()));
        }
    }

    fn at(&mut self, folder: &Path) -> &mut BTreeSet<(Scope, Input)> {
        self.folders.entry(folder.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::recipe::Own;
    use crate::spec::WorkspacePath;

    fn at(path: &str) -> WorkspacePath {
        WorkspacePath::resolve(&WorkspacePath::default(), path).unwrap()
    }

    /// Holds the directory open until dropped.
    struct Tree(
        #[allow(dead_code, reason = "it is removed when dropped")] tempfile::TempDir,
        PathBuf,
    );

    impl Tree {
        fn new(files: &[&str]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().canonicalize().unwrap();
            for file in files {
                let path = root.join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, file).unwrap();
            }
            Self(folder, root)
        }

        fn places(&self, set: &FileSet) -> Places {
            let mut places = Places::new(&self.1);
            let reader = FileReader::new(&self.1).unwrap();
            let _ = reader.read(set);
            places.add_sets(&BTreeSet::from([set]), &reader);
            places
        }

        fn watched(&self, set: &FileSet) -> Vec<String> {
            let places = self.places(set);
            let names = places
                .folders()
                .map(|folder| folder.strip_prefix(&self.1).unwrap().display().to_string());
            names.collect()
        }
    }

    fn tree(path: &str) -> FileSet {
        FileSet::Tree {
            path: at(path),
            ignore: at(""),
            own: Own::NOTHING,
        }
    }

    #[test]
    fn only_folders_that_a_set_is_read_from_are_watched() {
        let tree_ = Tree::new(&[
            "src/a/b/c.py",
            "src/skip/x/y.py",
            "docs/z",
            ".imgspec/logs/x.log",
        ]);
        std::fs::write(tree_.1.join(".dockerignore"), "src/skip\n").unwrap();
        assert_eq!(tree_.watched(&tree("src")), ["", "src", "src/a", "src/a/b"]);
        assert_eq!(
            tree_.watched(&tree("")),
            ["", "docs", "src", "src/a", "src/a/b"]
        );
        std::fs::write(
            tree_.1.join(".dockerignore"),
            "src/skip\n!src/skip/x/*.md\n",
        )
        .unwrap();
        let watched = tree_.watched(&tree("src"));
        assert!(watched.contains(&"src/skip/x".to_owned()), "{watched:?}");
    }

    #[test]
    fn the_places_of_one_set_are_told_from_those_of_others() {
        let tree_ = Tree::new(&["a/b/x", "c/x", "imgspec.kdl"]);
        let (a, c) = (tree("a"), tree("c"));
        let reader = FileReader::new(&tree_.1).unwrap();
        reader.read_all(&[&a, &c]);
        let mut both = Places::new(&tree_.1);
        let mut workspace = Workspace::default();
        workspace.looked.files.insert(tree_.1.join("imgspec.kdl"));
        both.add_manifests(&workspace);
        both.add_sets(&BTreeSet::from([&a, &c]), &reader);
        assert_eq!(both.only(&BTreeSet::from([&a])), tree_.places(&a));
        assert_eq!(both.only(&BTreeSet::from([&c])), tree_.places(&c));
        assert_ne!(tree_.places(&a), tree_.places(&c));
        assert_eq!(both.only(&BTreeSet::new()).len(), 0);
    }

    #[test]
    fn a_change_concerns_only_whom_it_may_touch() {
        let tree_ = Tree::new(&["src/a/x", "other"]);
        let set = tree("src");
        let places = tree_.places(&set);
        let hit = |path: &str, kind| !places.concerned(&tree_.1.join(path), kind).is_empty();
        assert!(hit("src/a/x", PathEvent::Changed));
        assert!(hit("src/new", PathEvent::CameOrWent));
        assert!(hit("src", PathEvent::CameOrWent));
        assert!(hit(".dockerignore", PathEvent::CameOrWent));
        assert!(!hit("other", PathEvent::Changed));
        assert!(!hit("other", PathEvent::CameOrWent));
    }

    /// Seen in compose#12089.
    #[test]
    fn our_own_state_concerns_nobody() {
        let tree_ = Tree::new(&["x"]);
        let places = tree_.places(&tree(""));
        assert!(
            places
                .concerned(&tree_.1.join("y"), PathEvent::CameOrWent)
                .len()
                == 1
        );
        assert!(
            places
                .concerned(&tree_.1.join(STATE_FOLDER), PathEvent::CameOrWent)
                .is_empty()
        );
    }

    #[test]
    fn the_folders_of_links_on_the_way_are_watched() {
        let tree_ = Tree::new(&["releases/one/x", "releases/two/x"]);
        symlink("releases/one", tree_.1.join("next")).unwrap();
        symlink("next", tree_.1.join("current")).unwrap();
        let places = tree_.places(&tree("current"));
        for path in [
            "current",
            "next",
            "releases",
            "releases/one",
            "releases/one/x",
        ] {
            let concerned = places.concerned(&tree_.1.join(path), PathEvent::CameOrWent);
            assert!(!concerned.is_empty(), "{path}");
        }
        assert!(
            places
                .concerned(&tree_.1.join("releases/two"), PathEvent::CameOrWent)
                .is_empty()
        );
    }

    /// Seen in skaffold#769 and tilt#1816.
    #[test]
    fn of_what_is_missing_the_nearest_folder_is_watched() {
        let tree_ = Tree::new(&["a/x"]);
        assert_eq!(tree_.watched(&tree("a/b/c")), ["", "a"]);
        let places = tree_.places(&tree("a/b/c"));
        assert!(
            !places
                .concerned(&tree_.1.join("a/b"), PathEvent::CameOrWent)
                .is_empty()
        );
        assert!(
            places
                .concerned(&tree_.1.join("a/x"), PathEvent::Changed)
                .is_empty()
        );
    }

    #[test]
    fn requirements_are_watched_with_what_they_include() {
        let tree_ = Tree::new(&["deps/more.txt"]);
        std::fs::write(tree_.1.join("requirements.txt"), "-r deps/more.txt\n").unwrap();
        std::fs::write(tree_.1.join("deps/more.txt"), "six\n").unwrap();
        let set = FileSet::Requirements {
            path: at("requirements.txt"),
        };
        let places = tree_.places(&set);
        for path in ["requirements.txt", "deps/more.txt"] {
            assert!(
                !places
                    .concerned(&tree_.1.join(path), PathEvent::Changed)
                    .is_empty(),
                "{path}"
            );
        }
    }

    #[test]
    fn a_circle_of_links_ends() {
        let tree_ = Tree::new(&[]);
        symlink("b", tree_.1.join("a")).unwrap();
        symlink("a", tree_.1.join("b")).unwrap();
        assert_eq!(tree_.watched(&tree("a")), [""]);
    }
}
