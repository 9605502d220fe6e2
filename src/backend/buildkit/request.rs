//! A build request, independent of whether gRPC or a command line transports it.

use crate::backend::dockerfile::Dockerfile;
use crate::backend::oci::reference::Reference;
use crate::backend::secret::Revealed;
use crate::backend::{Job, Notes};
use crate::cancel::Cancel;
use crate::recipe::repository;
use crate::spec::Base;

pub(crate) struct Request<'a> {
    pub(crate) job: &'a Job<'a>,
    pub(crate) dockerfile: Dockerfile,
    /// A private name that the result gets in addition to its reference, where other images are built on it.
    pub(crate) pin: Option<String>,
    pub(crate) secrets: Vec<Revealed>,
    /// Makes the result an existing image with another configuration. Supported only over gRPC; with commands the
    /// Dockerfile must express the same.
    pub(crate) touch: Option<Touch<'a>>,
    /// Whether the result is pushed by its digest only, because it is a part of an index.
    pub(crate) is_nameless: bool,
    pub(crate) notes: &'a dyn Notes,
    pub(crate) cancel: &'a Cancel,
}

/// A new configuration for an existing image, whose layers stay.
pub(crate) struct Touch<'a> {
    /// The image's name in the local store.
    pub(crate) image: &'a str,
    /// The OCI image configuration, as JSON.
    pub(crate) config: &'a str,
}

impl Request<'_> {
    /// What the result is to be called.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.job.reference).chain(self.pin.as_deref())
    }

    /// The hosts of the registries that the build fetches from before its first step.
    pub(crate) fn registries(&self) -> Vec<String> {
        let recipe = self.job.recipe;
        let base = match &recipe.base {
            Base::Registry(reference) => Some(reference.as_str()),
            Base::Image(_) | Base::File { .. } | Base::Debian(_) | Base::Scratch => None,
        };
        let helpers = [&*recipe.helpers.uv, &*recipe.helpers.micromamba].into_iter();
        let helpers = helpers.filter(|helper| self.dockerfile.text.contains(repository(helper)));
        let mut hosts: Vec<String> = base
            .into_iter()
            .chain(helpers)
            .filter_map(|reference| Some(Reference::read(reference)?.host))
            .collect();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}
