//! Everything that planning and building need to know about one workspace: made once when it is opened, then shared.
//!
//! A [`World`] holds what the manifests declare. A [`View`] is a world plus its files as of one reading: when files
//! change, a new view of the same world is made, and builds that are still running keep the old one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::backend::Backend;
use crate::fingerprint::{FilesError, Fingerprints};
use crate::graph::{Graph, ImageId};
use crate::recipe::{FileSet, Recipe};
use crate::reference;
use crate::spec::ImageSpec;
use crate::workspace::Workspace;

/// A workspace without errors. Each list has one entry per image, in id order.
pub struct World {
    /// The images, and the source location of each.
    pub workspace: Workspace,
    /// Which image depends on which.
    pub graph: Graph,
    /// The recipe of each image.
    pub recipes: Vec<Recipe>,
    /// The backend that builds each image.
    pub backends: Vec<Arc<dyn Backend>>,
}

impl World {
    /// The spec of an image.
    pub fn spec(&self, id: ImageId) -> &ImageSpec {
        &self.workspace.images[id.index()].spec
    }

    /// The source location of a field of an image, or of the image if the field is not set: `imgspec.kdl:3:5`.
    pub fn place(&self, id: ImageId, field: &str) -> Option<String> {
        let Workspace {
            images, sources, ..
        } = &self.workspace;
        images[id.index()]
            .places
            .get(field)
            .map(|place| sources.words(place))
    }

    /// The full reference of an image: `registry/name:tag`.
    pub fn reference(&self, prints: &Fingerprints, id: ImageId) -> String {
        reference::of(&self.workspace.images[id.index()], &prints.tag(id))
    }

    /// The further names of an image, as references.
    pub fn also_named(&self, prints: &Fingerprints, id: ImageId) -> Vec<String> {
        let image = &self.workspace.images[id.index()];
        if image.spec.also_tag.is_empty() {
            return Vec::new();
        }
        reference::also(image, &self.reference(prints, id))
    }

    /// Whether a further name of an image is pushed with it.
    pub fn is_pushed(&self, id: ImageId, name: &str) -> bool {
        reference::is_pushed(&self.workspace.images[id.index()], name)
    }
}

/// A world plus its files as of one reading.
#[derive(Clone)]
pub struct View {
    /// What the manifests declare.
    pub world: Arc<World>,
    /// The keys, and the files they were made from.
    pub prints: Fingerprints,
    /// The requested images.
    pub asked: BTreeSet<ImageId>,
    /// The requested images and their transitive bases.
    pub relevant: BTreeSet<ImageId>,
    /// Images whose files cannot be read; they retain their previous keys.
    pub unreadable: BTreeMap<ImageId, FilesError>,
}

impl View {
    /// A view in which all files could be read.
    pub fn new(world: Arc<World>, prints: Fingerprints, asked: BTreeSet<ImageId>) -> Self {
        Self {
            relevant: world.graph.with_bases(&asked),
            unreadable: BTreeMap::new(),
            world,
            prints,
            asked,
        }
    }

    /// A new view of the same manifests, with the file sets in `sets` read again. Images in `kept` stay as they were,
    /// and the keys of images built on them are computed from that.
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

    /// The full reference of an image: `registry/name:tag`.
    pub fn reference(&self, id: ImageId) -> String {
        self.world.reference(&self.prints, id)
    }

    /// The further names of an image, as references.
    pub fn also_named(&self, id: ImageId) -> Vec<String> {
        self.world.also_named(&self.prints, id)
    }

    /// The image's id in the manifests.
    pub fn name(&self, id: ImageId) -> &str {
        self.world.graph.name(id)
    }

    /// The file sets of all relevant images.
    pub fn sets(&self) -> BTreeSet<&FileSet> {
        let recipes = self
            .relevant
            .iter()
            .map(|id| &self.world.recipes[id.index()]);
        recipes.flat_map(Recipe::file_sets).collect()
    }
}
