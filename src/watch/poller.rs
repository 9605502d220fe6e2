//! Marks everything as dirty from time to time, where events are not available.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::hints::Hints;
use super::places::Input;
use crate::disk::limits;
use crate::disk::read::{Links, Root};
use crate::world::View;

/// Compares the current manifests to the previous ones.
#[derive(Debug, Default)]
pub(super) struct Poller {
    /// When the next poll is due; `None` before the first.
    pub(super) at: Option<Instant>,
    /// Hash of the manifests and of the directories that includes search, at the last poll.
    manifests: Option<blake3::Hash>,
}

impl Poller {
    /// Marks everything as dirty if a poll is due. Returns whether it was.
    pub(super) fn poll(
        &mut self,
        every: Duration,
        view: Option<&View>,
        is_broken: bool,
        hints: &Hints,
    ) -> bool {
        let now = Instant::now();
        if self.at.is_some_and(|at| now < at) {
            return false;
        }
        if self.at.is_none() {
            // For changes made before there was anything to compare to.
            hints.doubt_everything();
        }
        self.at = Some(now + every);
        let manifests = view.map(manifests);
        if self.manifests.is_some() && self.manifests != manifests || is_broken {
            hints.doubt([Input::Manifests]);
        }
        self.manifests = manifests;
        if let Some(view) = view {
            let sets = view.sets().into_iter().cloned();
            hints.doubt(sets.map(|set| Input::Set(std::sync::Arc::new(set))));
        }
        true
    }
}

/// Hash of the manifests' contents and of the directories that includes search.
fn manifests(view: &View) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let workspace = &view.world.workspace;
    let looked = &workspace.looked;
    let Ok(root) = Root::open(&workspace.root) else {
        return hasher.finalize();
    };
    let inside = |path: &Path| path.strip_prefix(root.path()).unwrap_or(path).to_owned();
    for file in &looked.files {
        let bytes = root.bytes(&inside(file), Links::Follow, limits::MANIFEST);
        // A file that cannot be read counts as unchanged while the error stays the same.
        let bytes = bytes.unwrap_or_else(|refusal| refusal.to_string().into_bytes());
        hasher.update(blake3::hash(&bytes).as_bytes());
    }
    for folder in &looked.folders {
        let listed = root.list(&inside(folder), Links::Follow);
        let listed = listed.into_iter().flatten();
        let names: BTreeSet<_> = listed.map(|listed| listed.name).collect();
        hasher.update(blake3::hash(format!("{names:?}").as_bytes()).as_bytes());
    }
    hasher.finalize()
}
