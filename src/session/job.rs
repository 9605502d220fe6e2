//! What a builder is told of an image outside of a run.

use std::collections::BTreeMap;

use super::Session;
use crate::backend::{Artifact, Job};
use crate::fingerprint::Key;
use crate::graph::ImageId;

impl Session {
    /// The job that would build an image on these bases, with its key and [reference](Self::reference).
    pub fn job<'a>(
        &'a self,
        id: ImageId,
        key: &'a Key,
        reference: &'a str,
        bases: BTreeMap<String, Artifact>,
    ) -> Job<'a> {
        let image = self.world.graph.name(id);
        Job {
            image,
            recipe: &self.world.recipes[id.index()],
            key,
            reference,
            files: self.prints.files(id),
            bases,
            outside: self.prints.outside(id),
            no_cache: false,
            is_base: false,
            root: &self.world.workspace.root,
            scratch: self.store.context_folder(image),
        }
    }

    /// The bases of an image by id, with the references that a build of their current files would give them, built or not.
    pub fn future_bases(&self, id: ImageId) -> BTreeMap<String, Artifact> {
        let future = |base: &ImageId| {
            let artifact = Artifact {
                backend: self.world.backends[base.index()].name().to_owned(),
                reference: self.reference(*base),
                digest: String::new(),
                size: None,
            };
            (self.world.graph.name(*base).to_owned(), artifact)
        };
        self.world.graph.bases(id).iter().map(future).collect()
    }
}
