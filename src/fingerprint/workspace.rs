//! The fingerprints of a whole workspace, and updates when its files change.
//!
//! Either every image has a key or there are no fingerprints. When a run finds a changed file, this is updated,
//! including the keys of all dependents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    FileReader, Files, FilesError, Fingerprint, FingerprintError, Input, Key, Namer, Outside,
    fingerprint, images::fingerprint_again, namers,
};
use crate::graph::{Graph, ImageId};
use crate::recipe::{FileSet, Recipe};
use crate::reference::{self, Tag};
use crate::workspace::Workspace;

/// The fingerprints of all images, by id.
#[derive(Debug, Clone)]
pub struct Fingerprints {
    pub(crate) reader: Arc<FileReader>,
    all: Vec<Fingerprint>,
    namers: Arc<BTreeMap<ImageId, Namer>>,
    /// flytekit's tags, by image.
    tags: Vec<Option<String>>,
}

/// A file set that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSet {
    /// The image it belongs to.
    pub image: ImageId,
    /// Index of the set in the recipe's file sets; `None` if the workspace itself cannot be read.
    pub set: Option<usize>,
    /// What went wrong when reading it.
    pub error: FilesError,
}

impl Fingerprints {
    /// Reads the files that this reader has not read yet, and computes all keys.
    pub fn read(
        reader: Arc<FileReader>,
        workspace: &Workspace,
        graph: &Graph,
        recipes: &[Recipe],
    ) -> Result<Self, Vec<BadSet>> {
        let found = fingerprint(graph, recipes, workspace.lock.as_ref(), &reader);
        if found.iter().all(Result::is_ok) {
            let mut prints = Self {
                reader,
                // In place, where `flatten` would make a list of unknown length grow.
                all: found.into_iter().filter_map(Result::ok).collect(),
                namers: namers(&workspace.images).into(),
                tags: Vec::new(),
            };
            prints.tags = vec![None; prints.all.len()];
            let bad = prints.name(workspace, graph, recipes, |_| true);
            return if bad.is_empty() { Ok(prints) } else { Err(bad) };
        }
        let bad = |image: ImageId| {
            let sets = recipes[image.index()].file_sets().enumerate();
            // Every set was read above; this only looks up the results.
            sets.filter_map(|(set, which)| reader.read(which).err().map(|error| (set, error)))
                .collect::<Vec<_>>()
        };
        let all = graph.ids().flat_map(|image| {
            bad(image).into_iter().map(move |(set, error)| BadSet {
                image,
                set: Some(set),
                error,
            })
        });
        Err(all.collect())
    }

    /// Computes flytekit's tags of the images for which `is_due` returns true, bases first, because tags depend on
    /// them.
    fn name(
        &mut self,
        workspace: &Workspace,
        graph: &Graph,
        recipes: &[Recipe],
        is_due: impl Fn(ImageId) -> bool,
    ) -> Vec<BadSet> {
        let mut bad = Vec::new();
        let namers = Arc::clone(&self.namers);
        for &image in graph.order() {
            let Some(namer) = namers.get(&image).filter(|_| is_due(image)) else {
                continue;
            };
            let base = namer.base.map(|at| {
                let id = ImageId(u32::try_from(at).expect("an image's place"));
                reference::of(&workspace.images[at], &self.tag(id))
            });
            let sets = recipes[image.index()].file_sets();
            let sources = sets
                .zip(self.files(image))
                .find(|(set, _)| matches!(set, FileSet::Source { .. }))
                .map(|(_, files)| files.as_ref());
            match namer.tag(&self.reader.root, base.as_deref(), sources) {
                Ok(tag) => self.tags[image.index()] = Some(tag),
                Err(error) => bad.push(BadSet {
                    image,
                    set: None,
                    error,
                }),
            }
        }
        bad
    }

    /// The tag of an image.
    pub fn tag(&self, id: ImageId) -> Tag {
        match &self.tags[id.index()] {
            Some(tag) => Tag::Whole(tag.clone()),
            None => Tag::Hash(self.key(id).tag()),
        }
    }

    /// The key of an image.
    pub fn key(&self, id: ImageId) -> Key {
        self.all[id.index()].key
    }

    /// The files of an image, in the order of [`Recipe::file_sets`].
    pub fn files(&self, id: ImageId) -> &[Arc<Files>] {
        &self.all[id.index()].files
    }

    /// The ids and keys of the images that an image depends on.
    pub fn bases(&self, id: ImageId) -> &[(String, Key)] {
        &self.all[id.index()].bases
    }

    /// The outside images that an image depends on, with their lock entries.
    #[must_use]
    pub fn outside(&self, id: ImageId) -> &Outside {
        &self.all[id.index()].outside
    }

    /// All inputs of an image's key in readable form.
    pub fn inputs(&self, id: ImageId, recipe: &Recipe) -> Vec<Input> {
        self.all[id.index()].inputs(recipe)
    }

    /// Reads file sets again and returns updated fingerprints, together with the images whose own files cannot be read.
    /// Those images and their dependents retain their previous fingerprints. Images in `kept` retain theirs too, and
    /// their dependents build on that.
    pub fn look_again(
        &self,
        workspace: &Workspace,
        graph: &Graph,
        recipes: &[Recipe],
        sets: &BTreeSet<&FileSet>,
        kept: &BTreeSet<ImageId>,
    ) -> (Self, BTreeMap<ImageId, FilesError>) {
        self.reader
            .read_again(&sets.iter().copied().collect::<Vec<_>>());
        let lock = workspace.lock.as_ref();
        let found = fingerprint_again(graph, recipes, lock, &self.reader, &self.all, kept);
        let mut unreadable = BTreeMap::new();
        let mut all = Vec::with_capacity(found.len());
        for (id, (found, before)) in graph.ids().zip(found.into_iter().zip(&self.all)) {
            all.push(found.unwrap_or_else(|error| {
                if let FingerprintError::Files(error) = error {
                    unreadable.insert(id, error);
                }
                before.clone()
            }));
        }
        let mut prints = Self {
            reader: Arc::clone(&self.reader),
            all,
            namers: Arc::clone(&self.namers),
            tags: self.tags.clone(),
        };
        let is_due = |id: ImageId| prints.key(id) != self.key(id);
        let due: BTreeSet<ImageId> = graph.ids().filter(|id| is_due(*id)).collect();
        for bad in prints.name(workspace, graph, recipes, |id| due.contains(&id)) {
            // An image that cannot be named stays as it was: a new key never goes with an old tag.
            let at = bad.image.index();
            prints.all[at] = self.all[at].clone();
            prints.tags[at].clone_from(&self.tags[at]);
            unreadable.insert(bad.image, bad.error);
        }
        (prints, unreadable)
    }

    /// Called when a builder found other bytes in an image's files than the key was computed from. If the files' times
    /// are unchanged nevertheless, stops trusting them.
    pub(crate) fn doubt(&self, id: ImageId, recipe: &Recipe) {
        if self.changed_since_read(id).is_none() {
            recipe.file_sets().for_each(|set| self.reader.distrust(set));
        }
    }

    /// The first file of an image that changed since the key was computed.
    pub fn changed_since_read(&self, id: ImageId) -> Option<String> {
        self.files(id).iter().find_map(|files| files.moved())
    }
}
