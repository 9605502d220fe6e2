//! What a watch keeps built, by how the manifests are: each phase owns what exists only in it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::look::Broken;
use super::places::Places;
use crate::run::engine::Engine;
use crate::run::jobs::Jobs;

/// How the manifests are.
pub(super) enum Phase<'r> {
    /// They never were right: there is nothing to build, only workers for later.
    Unread(Jobs, Box<Broken>),
    /// They are right.
    Sound(Box<Now<'r>>),
    /// They are wrong: what they were when they were right goes on to count.
    Broken(Box<Now<'r>>, Box<Broken>),
}

/// What there is by manifests that are right, or were.
pub(super) struct Now<'r> {
    pub(super) engine: Engine<'r>,
    /// Where all of it was read from.
    pub(super) places: Arc<Places>,
    /// How many files are watched.
    pub(super) files: usize,
    /// Warnings of the manifests, so that each is told once.
    pub(super) warnings: BTreeSet<String>,
}

/// A phase without what is wrong.
pub(super) enum Ground<'r> {
    Bare(Jobs),
    Built(Box<Now<'r>>),
}

impl<'r> Phase<'r> {
    pub(super) fn now(&self) -> Option<&Now<'r>> {
        match self {
            Self::Unread(..) => None,
            Self::Sound(now) | Self::Broken(now, _) => Some(now),
        }
    }

    pub(super) fn now_mut(&mut self) -> Option<&mut Now<'r>> {
        match self {
            Self::Unread(..) => None,
            Self::Sound(now) | Self::Broken(now, _) => Some(now),
        }
    }

    /// What is wrong with the manifests.
    pub(super) fn broken(&self) -> Option<&Broken> {
        match self {
            Self::Unread(_, broken) | Self::Broken(_, broken) => Some(broken),
            Self::Sound(_) => None,
        }
    }

    pub(super) fn into_ground(self) -> Ground<'r> {
        match self {
            Self::Unread(jobs, _) => Ground::Bare(jobs),
            Self::Sound(now) | Self::Broken(now, _) => Ground::Built(now),
        }
    }

    /// Where all is read from, and where what is wrong would be mended.
    pub(super) fn places(&self) -> Arc<Places> {
        match self {
            Self::Unread(_, broken) => Arc::new(broken.places.clone()),
            Self::Sound(now) => Arc::clone(&now.places),
            Self::Broken(now, broken) => Arc::new(now.places.and(&broken.places)),
        }
    }

    /// Whether no build and no push goes on.
    pub(super) fn is_idle(&self) -> bool {
        self.now().is_none_or(|now| now.engine.is_idle())
    }
}
