//! Where the images of a plan would be built, if their builder has several nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::Session;
use crate::asking::Asker;
use crate::backend::Unplaced;
use crate::graph::ImageId;
use crate::plan::Plan;

impl Session {
    /// The nodes of the images that a plan builds, as far as they are known before the run.
    pub fn nodes(&self, plan: &Plan, asker: Asker<'_>) -> BTreeMap<ImageId, String> {
        let (graph, world) = (&self.world.graph, &self.world);
        let builds: BTreeSet<ImageId> = plan.builds().map(|image| image.id).collect();
        let mut found = BTreeMap::new();
        for backend in &self.known {
            let is_own = |id: &&ImageId| {
                builds.contains(id) && world.backends[id.index()].name() == backend.name()
            };
            let own: Vec<ImageId> = graph.order().iter().filter(is_own).copied().collect();
            if own.is_empty() {
                continue;
            }
            let images = own.iter().map(|id| Unplaced {
                image: graph.name(*id),
                platforms: &world.recipes[id.index()].platforms,
                bases: graph.bases(*id).iter().map(|id| graph.name(*id)).collect(),
            });
            let nodes = backend.nodes(&images.collect::<Vec<_>>(), asker);
            let each = own.into_iter().zip(nodes);
            found.extend(each.filter_map(|(id, node)| Some((id, node?))));
        }
        found
    }
}
