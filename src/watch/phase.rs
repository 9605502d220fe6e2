//! What a watch keeps built, and the errors in the manifests.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::look::Broken;
use super::places::Places;
use crate::run::engine::Engine;
use crate::run::jobs::Jobs;

pub(super) struct Phase<'r> {
    /// The state from the last valid manifests; until there were any, only the workers.
    pub(super) built: Result<Box<Now<'r>>, Jobs>,
    /// Errors in the current manifests; meanwhile the last valid ones stay in effect.
    pub(super) broken: Option<Box<Broken>>,
}

/// The state from the last valid manifests.
pub(super) struct Now<'r> {
    pub(super) engine: Engine<'r>,
    /// The places everything was read from.
    pub(super) places: Arc<Places>,
    pub(super) files: usize,
    /// Warnings about the manifests, so that each is reported once.
    pub(super) warnings: BTreeSet<String>,
}

impl<'r> Phase<'r> {
    pub(super) fn now(&self) -> Option<&Now<'r>> {
        self.built.as_deref().ok()
    }

    pub(super) fn now_mut(&mut self) -> Option<&mut Now<'r>> {
        self.built.as_deref_mut().ok()
    }

    /// Everything to watch: what was read, and where errors could be fixed.
    pub(super) fn places(&self) -> Arc<Places> {
        let wrong = self.broken.as_ref().map(|broken| &broken.places);
        match (self.now().map(|now| &now.places), wrong) {
            (Some(read), None) => Arc::clone(read),
            (Some(read), Some(wrong)) => Arc::new(read.and(wrong)),
            (None, wrong) => Arc::new(wrong.cloned().unwrap_or_default()),
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.now().is_none_or(|now| now.engine.is_idle())
    }
}
