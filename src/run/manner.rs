//! In what a single build and a watch differ; everything else about them is the same.

use super::board::Standing;
use super::event::Event;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// `graph build`: one wave, and then the end.
    Build,
    /// `watch`: waves without end.
    Watch,
}

impl Manner {
    /// A build does what `graph plan` said it would, even if a base turns out to be what it was. A watch plans anew whenever it
    /// knows more.
    pub(super) fn plans_anew(self) -> bool {
        self == Self::Watch
    }

    /// What needs nothing is told of before all else in a build. In a watch only at the end of a wave: until then it may have to
    /// be built after all.
    pub(super) fn tells_fresh_first(self) -> bool {
        self == Self::Build
    }

    /// What is stopped in a build is stopped for good, and every image is told of. In a watch it waits for the next change.
    pub(super) fn is_halt_final(self) -> bool {
        self == Self::Build
    }

    /// Nobody looks at files while a build goes on, so it looks once at its end.
    pub(super) fn looks_at_the_end(self) -> bool {
        self == Self::Build
    }

    /// Whether an image is among those that are there at the end of a wave: in a build also one that could not be pushed.
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

    /// What is told of an image that cannot be built because one has just failed; `blame` are all that stop it, and `is_new` is
    /// whether it was not stopped before.
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
