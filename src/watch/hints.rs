//! What has changed since the last look, collected by the change sources and read by the keeper.
//!
//! An event is mapped to the affected inputs as soon as it arrives and then dropped, so a million events take no more
//! memory than one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::places::{Input, PathEvent, Places};
use crate::recipe::FileSet;

/// The inputs that events may have changed.
#[derive(Debug, Default)]
pub(super) struct Hints(Mutex<Pending>);

#[derive(Debug, Default)]
struct Pending {
    places: Arc<Places>,
    what: Dirty,
    /// Watched directories whose watch may be lost: they or an ancestor were created or removed.
    suspects: BTreeSet<PathBuf>,
    /// Whether the keeper was notified and has not reacted yet.
    is_notified: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dirty {
    /// Inputs that may have changed.
    pub(super) inputs: BTreeSet<Input>,
    /// Events were lost, so anything may have changed.
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
    /// Records an event for a path. Returns whether the keeper has to be notified.
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
        !std::mem::replace(&mut heard.is_notified, true)
    }

    /// Records that events were lost. Returns whether the keeper has to be notified.
    pub(super) fn lose(&self) -> bool {
        let mut heard = self.lock();
        heard.what.everything = true;
        let root = heard
            .places
            .folders()
            .map(Path::to_owned)
            .collect::<Vec<_>>();
        heard.suspects.extend(root);
        !std::mem::replace(&mut heard.is_notified, true)
    }

    /// Marks inputs as dirty without an event.
    pub(super) fn doubt(&self, inputs: impl IntoIterator<Item = Input>) {
        self.lock().what.inputs.extend(inputs);
    }

    /// Marks everything as dirty without an event.
    pub(super) fn doubt_everything(&self) {
        self.lock().what.everything = true;
    }

    /// Sets the places that map later events to inputs.
    pub(super) fn judge_by(&self, places: Arc<Places>) {
        self.lock().places = places;
    }

    /// Whether the keeper was notified since the last call; later events notify it again. Called in every turn, so a
    /// notification lost to a full mailbox does not matter.
    pub(super) fn listen(&self) -> bool {
        std::mem::take(&mut self.lock().is_notified)
    }

    /// A copy of what is dirty, leaving it to be taken by a look.
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
        // No panic can leave the data inconsistent.
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
