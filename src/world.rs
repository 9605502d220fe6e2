//! One workspace as everything that plans and builds sees it: made once when it is opened, handed on as it is.
//!
//! A [`World`] is what the manifests say. A [`View`] is a world with its files as they were read: a change of files makes a new
//! view of the same world, and whoever still builds by the old one keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::backend::Backend;
use crate::fingerprint::{FilesError, Fingerprints};
use crate::graph::{Graph, ImageId};
use crate::recipe::{FileSet, Recipe};
use crate::reference;
use crate::spec::ImageSpec;
use crate::workspace::Workspace;

/// A workspace without errors. All lists have one entry an image, in the order of the ids.
pub struct World {
    /// The images and where each was said.
    pub workspace: Workspace,
    /// Who needs whom.
    pub graph: Graph,
    /// What each image is made of.
    pub recipes: Vec<Recipe>,
    /// Who builds each image.
    pub backends: Vec<Arc<dyn Backend>>,
}

impl World {
    /// What an image is asked to be.
    pub fn spec(&self, id: ImageId) -> &ImageSpec {
        &self.workspace.images[id.index()].spec
    }

    /// Where a field of an image was said, or else the image: `imgspec.kdl:3:5`.
    pub fn place(&self, id: ImageId, field: &str) -> Option<String> {
        let Workspace {
            images, sources, ..
        } = &self.workspace;
        images[id.index()]
            .places
            .get(field)
            .map(|place| sources.words(place))
    }

    /// What an image is called: `registry/name:tag`.
    pub fn reference(&self, prints: &Fingerprints, id: ImageId) -> String {
        reference::of(&self.workspace.images[id.index()], &prints.tag(id))
    }
}

/// A world with its files as they were when they were read.
#[derive(Clone)]
pub struct View {
    /// What the manifests say.
    pub world: Arc<World>,
    /// The keys and files.
    pub prints: Fingerprints,
    /// The images that were asked for.
    pub asked: BTreeSet<ImageId>,
    /// Those, and what they need.
    pub relevant: BTreeSet<ImageId>,
    /// Images whose files cannot be read: they keep the keys that they had.
    pub unreadable: BTreeMap<ImageId, FilesError>,
}

impl View {
    /// A view of files that all could be read.
    pub fn new(world: Arc<World>, prints: Fingerprints, asked: BTreeSet<ImageId>) -> Self {
        Self {
            relevant: world.graph.with_bases(&asked),
            unreadable: BTreeMap::new(),
            world,
            prints,
            asked,
        }
    }

    /// The same manifests, with these file sets read again. Images that are `kept` stay as they were seen, and what is built on
    /// them has its key made of that.
    #[must_use]
    pub fn again(&self, sets: &BTreeSet<&FileSet>, kept: &BTreeSet<ImageId>) -> Self {
        let World {
            workspace,
            graph,
            recipes,
            ..
        } = &*self.world;
        let (prints, mut unreadable) = self
            .prints
            .look_again(workspace, graph, recipes, sets, kept);
        unreadable.retain(|id, _| self.relevant.contains(id));
        Self {
            world: Arc::clone(&self.world),
            prints,
            asked: self.asked.clone(),
            relevant: self.relevant.clone(),
            unreadable,
        }
    }

    /// What an image is called.
    pub fn reference(&self, id: ImageId) -> String {
        self.world.reference(&self.prints, id)
    }

    /// The id that the manifests give an image.
    pub fn name(&self, id: ImageId) -> &str {
        self.world.graph.name(id)
    }

    /// The file sets of all images that matter.
    pub fn sets(&self) -> BTreeSet<&FileSet> {
        let recipes = self
            .relevant
            .iter()
            .map(|id| &self.world.recipes[id.index()]);
        recipes.flat_map(Recipe::file_sets).collect()
    }
}
