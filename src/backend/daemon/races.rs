//! Tracks builds that fail because `BuildKit` lost the result of an earlier build of the same step, as after a killed
//! client.
//!
//! Usually a retry finds the step done. If it fails in the same way again, `BuildKit` keeps looking for the missing
//! result for as long as that step is requested; without the cache it is a different step.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// After this many such failures, an image is built without the cache.
const STUCK: usize = 2;

/// Number of lost results per image.
#[derive(Debug, Default)]
pub(super) struct Races(Mutex<BTreeMap<String, usize>>);

impl Races {
    pub(super) fn note(&self, image: &str) {
        let mut known = self.0.lock();
        *known.entry(image.to_owned()).or_default() += 1;
    }

    /// Whether the next build must bypass the cache; returning `true` resets the count.
    pub(super) fn is_stuck(&self, image: &str) -> bool {
        let mut known = self.0.lock();
        let is_stuck = known.get(image).is_some_and(|times| *times >= STUCK);
        if is_stuck {
            known.remove(image);
        }
        is_stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::BuildError;
    use crate::backend::buildkit::failure;

    #[test]
    fn the_third_try_does_without_the_cache() {
        let why = "`commands: x` failed: failed to stat active key during commit: snapshot y does not exist: not found";
        assert!(failure::is_race(&BuildError::Transient(why.to_owned())));
        assert!(!failure::is_race(&BuildError::Transient(
            "timed out".to_owned()
        )));
        let races = Races::default();
        for (stuck, image) in [
            (false, "a"),
            (false, "a"),
            (true, "a"),
            (false, "a"),
            (false, "b"),
        ] {
            assert_eq!(races.is_stuck(image), stuck, "{image}");
            races.note(image);
        }
    }
}
