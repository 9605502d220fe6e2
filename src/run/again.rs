//! How a single build reacts when files change under it: it reads them again and builds the rest from their new
//! content.
//!
//! An image that is built or being built retains its key, and its dependents compute theirs from that: a key always
//! describes what is in the image.

use std::collections::BTreeSet;

use super::engine::{Engine, Moved};
use super::event::Event;
use super::log::JobError;
use crate::backend::BuildError;
use crate::graph::ImageId;
use crate::recipe::FileSet;

/// How often an image is restarted because its files change before it fails.
const MOVES: u32 = 5;

impl Engine<'_> {
    /// Restarts an image whose files changed: it and its dependents get new keys.
    pub(super) fn begin_again(&mut self, moved: Moved) {
        let Some(id) = self.state.find(&moved.image) else {
            return;
        };
        if self.is_halted() {
            return self.cancelled(moved.image, &moved.job);
        }
        if !self.may_move_on(&moved.image) {
            return self.failed(&moved.image, moved.job, moved.trouble, moved.seconds);
        }
        self.look_again(id);
        let unreadable = self.state.view.unreadable.clone();
        for (other, error) in unreadable.iter().filter(|(other, _)| **other != id) {
            self.state.note_failed_as_is(*other);
            let trouble = JobError::plain(BuildError::Failed(error.to_string()));
            self.report_failure(&self.state.name(*other), trouble, 0.0, "");
        }
        if let Some(error) = unreadable.get(&id) {
            let mut trouble = moved.trouble;
            trouble.error = BuildError::Failed(error.to_string());
            return self.failed(&moved.image, moved.job, trouble, moved.seconds);
        }
        let Moved { image, path, .. } = moved;
        let message =
            format!("`{path}` changed while `{image}` was being built; restarting the build");
        self.emit(Event::Warning { message });
    }

    fn may_move_on(&mut self, image: &str) -> bool {
        let Some(wave) = &mut self.wave else {
            return false;
        };
        let moves = wave.moves.entry(image.to_owned()).or_default();
        *moves += 1;
        *moves <= MOVES
    }

    fn look_again(&mut self, id: ImageId) {
        let view = std::sync::Arc::clone(&self.state.view);
        let is_open = |other: &ImageId| *other == id || self.state.board.get(*other).is_pending();
        let kept = self.state.graph().ids().filter(|other| !is_open(other));
        let kept: BTreeSet<ImageId> = kept.collect();
        let recipe = &view.world.recipes[id.index()];
        view.prints.doubt(id, recipe);
        let sets: BTreeSet<&FileSet> = recipe.file_sets().collect();
        self.state.see(view.again(&sets, &kept));
    }
}
