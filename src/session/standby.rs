//! Why each image is built by its backend, and which images another backend builds because the default does not answer.

use super::{Session, choice};
use crate::graph::ImageId;
use crate::plan::Plan;

/// Images that another backend than the default builds, because that does not answer.
pub struct Standby<'a> {
    /// The backend that does not answer.
    pub default: &'a str,
    /// The backend that takes its place.
    pub other: &'a str,
    /// The images that it builds.
    pub images: Vec<&'a str>,
}

impl Session {
    /// Why an image is built by its backend; `flag` is the value of `--builder`.
    pub fn builder_reason(&self, image: ImageId, flag: Option<&str>) -> &'static str {
        let own = &self.world.spec(image).builder;
        match (own, flag) {
            (Some(_), _) => "the manifest names it",
            (None, Some(_)) => "`--builder` names it",
            (None, None) if self.is_standby(image) => "the default does not answer",
            (None, None) => "the default",
        }
    }

    /// Whether an image is built by another backend than the default, because that does not answer.
    fn is_standby(&self, image: ImageId) -> bool {
        let default = choice::first_choice(&self.known);
        let own = self.world.backends[image.index()].name();
        default.is_some_and(|default| default.name() != own)
    }

    /// What a plan leaves to another backend than the default, because that does not answer; `None` if nothing. `flag` is
    /// the value of `--builder`.
    pub fn standby(&self, plan: &Plan, flag: Option<&str>) -> Option<Standby<'_>> {
        let is_open = |id: &ImageId| flag.is_none() && self.world.spec(*id).builder.is_none();
        let ids = plan.builds().map(|planned| planned.id);
        let ids: Vec<ImageId> = ids
            .filter(|id| is_open(id) && self.is_standby(*id))
            .collect();
        let names = ids.iter().map(|id| self.world.graph.name(*id));
        Some(Standby {
            default: choice::first_choice(&self.known)?.name(),
            other: self.world.backends[ids.first()?.index()].name(),
            images: names.collect(),
        })
    }
}
