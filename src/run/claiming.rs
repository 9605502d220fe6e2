//! A worker's side of claims: before it builds an image that other runners may build too, it claims it in the registry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempts::sleep;
use super::claims::{Claims, Find, Left, Turn, Watched};
use super::event::Event;
use super::log::JobError;
use super::worker::{Work, cancelled};
use crate::asking::Asker;
use crate::backend::{
    Artifact, Attempt, Backend, Claim, ClaimError, Claimant, Existence, Place, Seen, StoreKind,
    Wanted,
};
use crate::cancel::Cancel;
use crate::fingerprint::Key;
use crate::graph::ImageId;
use crate::limits::Span;
use crate::world::View;

impl Work {
    /// Whose turn it is to build the image. Where it cannot be claimed, that is told, and it is this run's: an image that is built
    /// twice is better than one that is not built.
    pub(super) fn claim(&self) -> Result<Turn, JobError> {
        let claims = self.claims.as_ref();
        let claims = claims.filter(|_| self.left != Some(Left::Late));
        let reference = self.view.reference(self.id);
        let way = claims.and_then(|claims| {
            let (claimant, place) =
                claims.way(self.backend(), &reference, &self.is.key.to_string())?;
            Some((claims, claimant, place))
        });
        let Some((claims, claimant, place)) = way else {
            return Ok(Turn::Own);
        };
        let dead = match self.left {
            Some(Left::Dead(content, silence)) => {
                self.step(&format!(
                    "taking it over from another runner, which gave no sign for {}",
                    Span(silence)
                ));
                Some(content)
            }
            _ => None,
        };
        match claimant.attempt(&place, dead, &self.cancel) {
            Ok(Attempt::Taken(seen)) => Ok(Turn::Other(self.watched(claimant, place, seen))),
            Ok(Attempt::Written(claim, settling)) => {
                self.settle(claims, (claimant, place), *claim, settling)
            }
            Err(error) => self.unclaimed(claims, &place, &error),
        }
    }

    /// Waits until the claim counts, and looks for what others pushed before it was made.
    fn settle(
        &self,
        claims: &Claims,
        (claimant, place): (Arc<Claimant>, Place),
        claim: Claim,
        settling: Duration,
    ) -> Result<Turn, JobError> {
        let begun = Instant::now();
        if let Some(found) = self.find()(&self.cancel) {
            claims.give_up(claimant, claim);
            return Ok(Turn::Built(found));
        }
        // One that is overwritten already needs no longer wait.
        let mut rival = claimant.rival(&claim, &self.cancel);
        if let Ok(None) = rival {
            let left = settling.saturating_sub(begun.elapsed());
            if let Err(cancelled) = sleep(left, &self.cancel) {
                claims.give_up(claimant, claim);
                return Err(cancelled);
            }
            rival = claimant.rival(&claim, &self.cancel);
        }
        match rival {
            Ok(Some(seen)) => {
                claims.give_up(Arc::clone(&claimant), claim);
                Ok(Turn::Other(self.watched(claimant, place, seen)))
            }
            Ok(None) => {
                claims.keep(self.image(), claimant, claim);
                Ok(Turn::Own)
            }
            Err(error) => {
                claims.give_up(claimant, claim);
                self.unclaimed(claims, &place, &error)
            }
        }
    }

    /// Builds without a claim, unless interrupted.
    fn unclaimed(
        &self,
        claims: &Claims,
        place: &Place,
        error: &ClaimError,
    ) -> Result<Turn, JobError> {
        if *error == ClaimError::Cancelled {
            return Err(cancelled());
        }
        if let Some(message) = claims.trouble(place, error) {
            (self.emit)(Event::Warning { message });
        }
        Ok(Turn::Own)
    }

    fn watched(&self, claimant: Arc<Claimant>, place: Place, seen: Seen) -> Watched {
        let find = self.find();
        Watched {
            claimant,
            place,
            seen,
            find,
        }
    }

    /// Looks for the image in its registry. Owns what it needs: the image may be waited for after the worker is gone.
    fn find(&self) -> Find {
        let (view, id, key) = (Arc::clone(&self.view), self.id, self.is.key);
        Box::new(move |cancel| there(&view, id, &key, StoreKind::Registry, cancel))
    }

    /// Whether the image is in the local store, with its key.
    pub(super) fn is_here(&self) -> bool {
        there(
            &self.view,
            self.id,
            &self.is.key,
            StoreKind::Local,
            &self.cancel,
        )
        .is_some()
    }
}

/// An image as this place has it, if it has it with this key.
fn there(
    view: &View,
    id: ImageId,
    key: &Key,
    place: StoreKind,
    cancel: &Cancel,
) -> Option<Artifact> {
    let backend: &dyn Backend = &*view.world.backends[id.index()];
    let reference = view.reference(id);
    let wanted = Wanted {
        reference: &reference,
        place,
        platforms: &view.world.recipes[id.index()].platforms,
    };
    let found = backend.exists(&[wanted], Asker::silent().or(cancel)).pop();
    match found.filter(|found| found.has(key))? {
        Existence::Present { digest, size, .. } => Some(Artifact {
            backend: backend.name().to_owned(),
            reference,
            digest,
            size,
        }),
        _ => None,
    }
}
