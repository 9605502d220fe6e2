//! Which images are in their registries as they would be built now, for those who deploy them by digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Session;
use super::pull::there;
use crate::asking::Asker;
use crate::backend::Existence;
use crate::graph::ImageId;
use crate::plan::{Action, Judgement, Push, Reason};

/// Why the digest of an image is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpublished {
    /// It has no registry.
    NoRegistry,
    /// Its registry could not be asked, for this reason.
    Unknown(String),
    /// Its registry does not have it with its current key, and these are the reasons to build or push it.
    Stale(Vec<Reason>),
}

/// How many reasons are given before the rest is only counted.
const SHOWN: usize = 3;

impl fmt::Display for Unpublished {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRegistry => write!(out, "has no `registry`"),
            Self::Unknown(why) => {
                write!(
                    out,
                    "may be in its registry, which could not be asked: {why}"
                )
            }
            Self::Stale(reasons) => {
                write!(out, "is not in its registry as it is now")?;
                let shown: Vec<String> =
                    reasons.iter().take(SHOWN).map(Reason::to_string).collect();
                if !shown.is_empty() {
                    write!(out, ": {}", shown.join("; "))?;
                }
                match reasons.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(out, "; and {more} more"),
                }
            }
        }
    }
}

impl Session {
    /// The digests of images in their registries, or why they are not known. Decides by the plan of a run with [`Push::Each`]:
    /// an image has a digest if such a run would find it fresh there.
    pub fn published(
        &self,
        asked: &BTreeSet<ImageId>,
        by: Asker<'_>,
    ) -> BTreeMap<ImageId, Result<String, Unpublished>> {
        let planned = self.plan(asked, Judgement::default(), Push::Each, by);
        let digest = |id: &ImageId| {
            let (facts, image) = (&planned.facts[id.index()], planned.plan.get(*id));
            let is_fresh = image.is_some_and(|image| image.action == Action::Fresh);
            let found = match (there(facts).filter(|_| is_fresh), &facts.registry) {
                (Some(digest), _) => Ok(digest.to_owned()),
                (None, None) => Err(Unpublished::NoRegistry),
                (None, Some(Existence::Unknown { why })) => Err(Unpublished::Unknown(why.clone())),
                (None, Some(_)) => {
                    let reasons = image.map(|image| image.reasons.clone());
                    Err(Unpublished::Stale(reasons.unwrap_or_default()))
                }
            };
            (*id, found)
        };
        asked.iter().map(digest).collect()
    }
}
