//! The differences between a single build and a watch; the rest of the engine is shared.

use super::board::Standing;
use super::event::Event;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// `graph build`: a single wave.
    Build,
    /// `watch`: waves until it is stopped.
    Watch,
}

impl Manner {
    /// Whether to plan again when more becomes known. A build carries out exactly what `graph plan` showed, even if a
    /// rebuilt base turns out to be unchanged.
    pub(super) fn plans_anew(self) -> bool {
        self == Self::Watch
    }

    /// Whether fresh images are reported at the start. In a watch they are reported at the end of a wave, because until
    /// then they may still become stale.
    pub(super) fn reports_fresh_first(self) -> bool {
        self == Self::Build
    }

    /// Whether images that are stopped stay stopped and are all reported. In a watch they wait for the next change.
    pub(super) fn is_halt_final(self) -> bool {
        self == Self::Build
    }

    /// Whether to check for changed files at the end: nothing watches them during a build.
    pub(super) fn looks_at_the_end(self) -> bool {
        self == Self::Build
    }

    /// Whether an image exists at the end of a wave. In a build this includes images that could not be pushed.
    pub(super) fn is_there(self, standing: &Standing) -> bool {
        match standing {
            Standing::Fresh => true,
            Standing::ReadyToPush
            | Standing::Withheld
            | Standing::Pushing
            | Standing::PushFailed => self == Self::Build,
            _ => false,
        }
    }

    /// The event for an image that cannot be built because `failed` has just failed. `blame` lists everything that
    /// blocks it; `is_new` is false if it was already blocked.
    pub(super) fn blocked(
        self,
        image: &str,
        failed: &str,
        blame: Vec<String>,
        is_new: bool,
    ) -> Option<Event> {
        let image = image.to_owned();
        match self {
            Self::Build => is_new.then(|| Event::ImageSkipped {
                image,
                because: vec![failed.to_owned()],
            }),
            Self::Watch => Some(Event::ImageWaiting {
                image,
                because: blame,
            }),
        }
    }
}
