//! What a watch keeps built, and what is wrong with the manifests.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::look::Broken;
use super::places::Places;
use crate::run::engine::Engine;
use crate::run::jobs::Jobs;

pub(super) struct Phase<'r> {
    /// What there is by the last manifests that were right; before there were any, only workers for later.
    pub(super) built: Result<Box<Now<'r>>, Jobs>,
    /// The manifests are wrong: what they were when they were right goes on to count.
    pub(super) broken: Option<Box<Broken>>,
}

/// What there is by manifests that are right, or were.
pub(super) struct Now<'r> {
    pub(super) engine: Engine<'r>,
    /// Where all of it was read from.
    pub(super) places: Arc<Places>,
    pub(super) files: usize,
    /// Warnings of the manifests, so that each is told once.
    pub(super) warnings: BTreeSet<String>,
}

impl<'r> Phase<'r> {
    pub(super) fn now(&self) -> Option<&Now<'r>> {
        self.built.as_deref().ok()
    }

    pub(super) fn now_mut(&mut self) -> Option<&mut Now<'r>> {
        self.built.as_deref_mut().ok()
    }

    /// Where all is read from, and where what is wrong would be mended.
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
