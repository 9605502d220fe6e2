//! What was heard since the last look, written by whoever hears and read by the keeper.
//!
//! An event is turned into whom it concerns the moment it is heard and then forgotten, so that a million events take as much
//! memory as one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::places::{Input, PathEvent, Places};
use crate::recipe::FileSet;

/// Events as hints: whom they may concern.
#[derive(Debug, Default)]
pub(super) struct Hints(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    places: Arc<Places>,
    what: Dirty,
    /// Watched directories that may not be watched any more: they, or what they are in, came or went.
    suspects: BTreeSet<PathBuf>,
    /// Whether the keeper was told and has not listened yet.
    is_told: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dirty {
    /// What may have changed.
    pub(super) inputs: BTreeSet<Input>,
    /// Events were lost: everything.
    pub(super) everything: bool,
}

impl Dirty {
    pub(super) fn add(&mut self, other: &Self) {
        self.inputs.extend(other.inputs.iter().cloned());
        self.everything |= other.everything;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inputs.is_empty() && !self.everything
    }

    pub(super) fn manifests(&self) -> bool {
        self.everything || self.inputs.contains(&Input::Manifests)
    }

    pub(super) fn covers(&self, set: &FileSet) -> bool {
        let is_it = |input: &Input| matches!(input, Input::Set(other) if **other == *set);
        self.everything || self.inputs.iter().any(is_it)
    }
}

impl Hints {
    /// Takes up something that happened to a path; whether the keeper has to be told.
    pub(super) fn hear(&self, path: &Path, kind: PathEvent) -> bool {
        let mut heard = self.lock();
        let concerned = heard.places.concerned(path, kind);
        let is_suspect = kind == PathEvent::CameOrWent && heard.places.holds(path);
        if is_suspect {
            heard.suspects.insert(path.to_owned());
        }
        if concerned.is_empty() {
            return false;
        }
        heard.what.inputs.extend(concerned);
        !std::mem::replace(&mut heard.is_told, true)
    }

    /// Events were lost; whether the keeper has to be told.
    pub(super) fn lose(&self) -> bool {
        let mut heard = self.lock();
        heard.what.everything = true;
        let root = heard
            .places
            .folders()
            .map(Path::to_owned)
            .collect::<Vec<_>>();
        heard.suspects.extend(root);
        !std::mem::replace(&mut heard.is_told, true)
    }

    /// Puts someone in doubt without an event.
    pub(super) fn doubt(&self, inputs: impl IntoIterator<Item = Input>) {
        self.lock().what.inputs.extend(inputs);
    }

    /// Puts everything in doubt without an event.
    pub(super) fn doubt_everything(&self) {
        self.lock().what.everything = true;
    }

    /// From now on, events are judged by these places.
    pub(super) fn judge_by(&self, places: Arc<Places>) {
        self.lock().places = places;
    }

    /// Whether the keeper was told since it last listened; it listens now, and will be told of what comes after this. Asked
    /// in every turn, so that it does not matter if telling failed because the keeper's box was full.
    pub(super) fn listen(&self) -> bool {
        std::mem::take(&mut self.lock().is_told)
    }

    /// What is in doubt, to be looked at by someone else.
    pub(super) fn doubts(&self) -> Dirty {
        self.lock().what.clone()
    }

    pub(super) fn take(&self) -> Dirty {
        std::mem::take(&mut self.lock().what)
    }

    pub(super) fn take_suspects(&self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.lock().suspects)
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        // Nothing is left half-done under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn hints(root: &Path) -> Hints {
        let mut workspace = Workspace::default();
        workspace.looked.files.insert(root.join("imgspec.kdl"));
        let mut places = Places::new(root);
        places.add_manifests(&workspace);
        let hints = Hints::default();
        hints.judge_by(Arc::new(places));
        hints
    }

    #[test]
    fn many_events_are_one_hint() {
        let root = tempfile::tempdir().unwrap();
        let hints = hints(root.path());
        let path = root.path().join("imgspec.kdl");
        assert!(hints.hear(&path, PathEvent::Changed));
        for _ in 0..1000 {
            assert!(!hints.hear(&path, PathEvent::Changed));
        }
        assert!(hints.listen());
        assert!(!hints.listen());
        assert!(hints.hear(&path, PathEvent::Changed));
        assert_eq!(hints.take().inputs, BTreeSet::from([Input::Manifests]));
        assert!(hints.take().is_empty());
    }

    #[test]
    fn what_concerns_nobody_is_not_heard() {
        let root = tempfile::tempdir().unwrap();
        let hints = hints(root.path());
        assert!(!hints.hear(&root.path().join("README.md"), PathEvent::CameOrWent));
        assert!(hints.take().is_empty());
    }

    /// Seen in tilt#3556.
    #[test]
    fn lost_events_put_everything_in_doubt_and_all_watches() {
        let root = tempfile::tempdir().unwrap();
        let hints = hints(root.path());
        assert!(hints.lose());
        assert!(hints.take().everything);
        assert_eq!(
            hints.take_suspects(),
            BTreeSet::from([root.path().to_owned()])
        );
    }
}
